import { UpstreamClient, type UpstreamOptions } from '../client.ts';

/** A clock that moves when told. */
export class Clock {
  ms = 1_000;
  readonly now = (): number => this.ms;
}

export const TIMEOUTS = { connectMs: 1_000, firstByteMs: 5_000, idleMs: 2_000, totalMs: 60_000 };
export const LIMITS = { maxIdle: 100, maxIdlePerHost: 100, maxPerHost: 0, idleTimeoutMs: 30_000 };

/** A socket client on a clock that stands still: nothing times out unless a test moves it and sweeps. */
export function testClient(
  clock: Clock,
  options: Partial<Omit<UpstreamOptions, 'limits'>> & {
    readonly limits?: Partial<UpstreamOptions['limits']>;
  } = {},
): UpstreamClient & Disposable {
  const client = new UpstreamClient({
    timeouts: TIMEOUTS,
    maxHeadBytes: 64 * 1024,
    now: clock.now,
    ...options,
    limits: { ...LIMITS, ...options.limits },
  });
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

/** Head and body of a request. */
export function request(
  path = '/',
  ...body: Uint8Array[]
): { readonly head: string; readonly body: readonly Uint8Array[] } {
  return {
    head: `POST ${path} HTTP/1.1\r\nHost: vendor\r\nAuthorization: Bearer secret-key\r\nContent-Length: ${body.reduce((sum, part) => sum + part.length, 0)}\r\n\r\n`,
    body,
  };
}

/** A response with a content length. */
export function answer(body: string, more = ''): string {
  return `HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
}
