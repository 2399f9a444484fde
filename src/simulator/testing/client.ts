import { connect, type Socket } from 'node:net';
import { type Simulator, type SimulatorOptions, startSimulator } from '../server.ts';

export type Body = Readonly<Record<string, unknown>>;

/** Runs `test` with a simulator of its own. */
export async function withSimulator(
  options: Partial<SimulatorOptions>,
  test: (simulator: Simulator) => Promise<void>,
): Promise<void> {
  const simulator = startSimulator({ port: 0, ...options });
  try {
    await test(simulator);
  } finally {
    await simulator.stop();
  }
}

export const ask = (content: string, differences: Body = {}): Body => ({
  model: 'gpt-4o',
  messages: [{ role: 'user', content }],
  ...differences,
});

export function post(
  simulator: Simulator,
  body: Body | string,
  init: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-test', 'content-type': 'application/json', ...init.headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
  });
}

/** A call of the Messages API; a header of `null` is left out. */
export function postMessages(
  simulator: Simulator,
  body: Body | string,
  headers: Readonly<Record<string, string | null>> = {},
  path = '/v1/messages',
): Promise<Response> {
  const all = { 'x-api-key': 'sk-ant-test', 'anthropic-version': '2023-06-01', ...headers };
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null);
  return fetch(simulator.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...Object.fromEntries(given) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export const askClaude = (content: string, differences: Body = {}): Body => ({
  model: 'claude-sonnet-4-5',
  max_tokens: 1000,
  messages: [{ role: 'user', content }],
  ...differences,
});

/** A named event of a stream, its data parsed. */
export interface NamedEvent {
  readonly name: string;
  readonly data: Body;
}

export function namedEventsOf(text: string): NamedEvent[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const match = /^event: (.+)\ndata: (.+)$/.exec(block);
      if (match === null) throw new Error(`no event: ${block}`);
      return { name: match[1] ?? '', data: JSON.parse(match[2] ?? '') as Body };
    });
}

export interface Chunk {
  readonly id: string;
  readonly object: string;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly delta: {
      readonly role?: string;
      readonly content?: string | null;
      readonly reasoning_content?: string | null;
      readonly tool_calls?: readonly {
        readonly index: number;
        readonly id?: string;
        readonly type?: string;
        readonly function: { readonly name?: string; readonly arguments: string };
      }[];
    };
    readonly finish_reason: string | null;
  }[];
  readonly usage?: { readonly [name: string]: unknown } | null;
}

/** Events of a stream: their JSON, `[DONE]` among them as a string. */
export function eventsOf(text: string): (Chunk | string)[] {
  const events: (Chunk | string)[] = [];
  for (const block of text.split('\n\n')) {
    const data = block
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => line.slice('data: '.length))
      .join('\n');
    if (data !== '') events.push(data === '[DONE]' ? data : (JSON.parse(data) as Chunk));
  }
  return events;
}

export const chunksOf = (text: string): Chunk[] =>
  eventsOf(text).filter((event) => typeof event !== 'string');

/** Polls until `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('the condition did not come true');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A raw connection that has sent one request. */
export async function rawPost(
  simulator: Simulator,
  body: Body,
  path = '/v1/chat/completions',
): Promise<Socket> {
  const socket = connect(simulator.port, '127.0.0.1');
  const json = JSON.stringify(body);
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nAnthropic-Version: 2023-06-01\r\nContent-Length: ${Buffer.byteLength(json)}\r\n\r\n`;
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve()).once('error', reject);
  });
  socket.write(head + json);
  return socket;
}

/** All that comes until the other side closes. */
export function drain(socket: Socket): Promise<{ readonly text: string; readonly reset: boolean }> {
  const parts: Buffer[] = [];
  let reset = false;
  return new Promise((resolve) => {
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('error', () => (reset = true));
    socket.on('close', () => resolve({ text: Buffer.concat(parts).toString(), reset }));
  });
}
