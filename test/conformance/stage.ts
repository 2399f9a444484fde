import { parseExposition } from '../support/exposition.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startVendor, type Vendor, type VendorRequest } from '../support/vendor.ts';
import type { Recorded } from './recorded.ts';

export const CHAT = '/v1/chat/completions';
export const MESSAGES = '/v1/messages';

/** Tokens by provider and kind (`openai cache_read`), as the gateway's metric has them. */
export type Booked = Readonly<Record<string, number>>;

/** What a client received, and what the vendor was sent for it; null when it was not asked. */
export interface Replayed {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
  readonly sent: VendorRequest | null;
}

/** A gateway before a vendor that answers with what was recorded. */
export class Stage implements AsyncDisposable {
  readonly #vendor: Vendor;
  readonly #gateway: Gateway;
  readonly #key: string;
  #answering: Recorded | null = null;

  private constructor(vendor: Vendor, gateway: Gateway, key: string) {
    this.#vendor = vendor;
    this.#gateway = gateway;
    this.#key = key;
    vendor.script = () => (this.#answering === null ? null : piecesOf(wireOf(this.#answering)));
  }

  static async start(): Promise<Stage> {
    const vendor = await startVendor(() => null);
    const gateway = await startGateway({
      env: {
        OPENAI_API_KEY: 'sk-up',
        OPENAI_BASE_URL: vendor.url,
        DEEPSEEK_API_KEY: 'sk-up',
        DEEPSEEK_BASE_URL: vendor.url,
        ANTHROPIC_API_KEY: 'sk-up',
        ANTHROPIC_BASE_URL: vendor.url,
      },
    });
    const { key } = await gateway.createKey({ quota_usd: null });
    return new Stage(vendor, gateway, key);
  }

  /** A request whose vendor answers as in `one`. */
  async replay(one: Recorded, path: string, body: string): Promise<Replayed> {
    const before = this.#vendor.requests.length;
    this.#answering = one;
    const response = await fetch(`${this.#gateway.url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.#key}`,
        'content-type': 'application/json',
        'x-tokenrouter-dedup': 'off',
      },
      body,
    });
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      body: Buffer.from(await response.arrayBuffer()),
      sent: this.#vendor.requests[before] ?? null,
    };
  }

  /** Everything that has been booked so far. */
  async booked(): Promise<Booked> {
    const text = await (await fetch(`${this.#gateway.url}/metrics`)).text();
    const sums: Record<string, number> = {};
    for (const { labels, name, value } of parseExposition(text).samples) {
      if (name !== 'tokenrouter_tokens_total') continue;
      const kind = `${labels['provider']} ${labels['kind']}`;
      sums[kind] = (sums[kind] ?? 0) + value;
    }
    return sums;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#gateway[Symbol.asyncDispose]();
    await this.#vendor[Symbol.asyncDispose]();
  }
}

/** Consecutive pieces of odd sizes, so that they end in the middle of lines and characters. */
function* cut(bytes: Uint8Array, first: number, factor: number): Generator<Uint8Array> {
  for (let at = 0, size = first; at < bytes.length; at += size, size = (size * factor) % 1009 || first)
    yield bytes.subarray(at, at + size);
}

/** The HTTP message: with its length, or in chunks where it was a stream. */
function wireOf({ answer, contentType, status, streamed }: Recorded): Buffer {
  const head = `HTTP/1.1 ${status} Whatever\r\ncontent-type: ${contentType}\r\n`;
  const bytes = Buffer.from(answer);
  if (!streamed) return Buffer.concat([Buffer.from(`${head}content-length: ${bytes.length}\r\n\r\n`), bytes]);
  const parts: Uint8Array[] = [Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`)];
  for (const chunk of cut(bytes, 7, 31))
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** What is written at once: through heads, chunks and characters alike. */
const piecesOf = (wire: Uint8Array): Uint8Array[] => [...cut(wire, 13, 57)];
