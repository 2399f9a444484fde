import { expect } from 'bun:test';
import { startRawServer, type RawConnection } from '../../src/upstream/testing/raw-server.ts';
import { ask, poster, WAYS, type Json, type Way } from './anthropic.ts';
import { eventually, startGateway, type Gateway } from './gateway.ts';
import { settledUsd } from './money.ts';

/** How a vendor leaves its connection once everything is written. */
export type Leaving = 'keep' | 'close' | 'reset';

/** What a vendor answers to one request: bytes on the wire, each element a write of its own. */
export interface Script {
  readonly writes: readonly Uint8Array[];
  /** Default `keep`. */
  readonly leaving?: Leaving;
  /** Default: everything behind the first write waits until a client has the answer's head, and so the gateway that write. */
  readonly waits?: boolean;
  /** Clients that must have the answer's head until it goes on. Default 1. */
  readonly clients?: number;
}

/** What a client got. */
export interface Got {
  readonly status: number;
  readonly role: string | null;
  /** Every byte of the body, latin1. */
  readonly bytes: string;
  /** The body, UTF-8. */
  readonly text: string;
  /** The connection failed before the body's end. */
  readonly broken: boolean;
}

interface Running extends Script {
  readonly go: PromiseWithResolvers<void>;
  heads: number;
}

const REQUEST_END = '\r\n\r\n';
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');

export const STREAM_FIELDS = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n';
/** Head of a stream in chunks. */
export const HEAD = latin1(`${STREAM_FIELDS}transfer-encoding: chunked\r\n\r\n`);
/** Head of a stream that ends with its connection. */
export const HEAD_UNTIL_CLOSE = latin1(`${STREAM_FIELDS}connection: close\r\n\r\n`);
export const LAST_CHUNK = latin1('0\r\n\r\n');

export const bytesOf = (text: string): Buffer => Buffer.from(text, 'utf8');
export const joined = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
export const chunkOf = (bytes: Uint8Array): Buffer =>
  joined(latin1(`${bytes.length.toString(16)}\r\n`), bytes, latin1('\r\n'));
/** A whole answer in two writes: its records in one chunk, and the end. */
export function whole(records: readonly string[] | Uint8Array): Script {
  const bytes = records instanceof Uint8Array ? records : bytesOf(records.join(''));
  return { writes: [bytes.length === 0 ? HEAD : joined(HEAD, chunkOf(bytes)), LAST_CHUNK] };
}

async function play(connection: RawConnection, script: Running): Promise<void> {
  const [first = new Uint8Array(), ...rest] = script.writes;
  connection.write(first);
  if (script.waits !== false) await script.go.promise;
  for (const bytes of rest) {
    connection.write(bytes);
    await nextTurn();
  }
  if (script.leaving === 'close') connection.end();
  else if (script.leaving === 'reset') connection.reset();
}

/** A gateway before a vendor of both dialects that answers by script, in exactly the writes a test wants. */
export interface ScriptedStage extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly key: string;
  readonly keyId: string;
  /** Requests that reached the vendor. */
  readonly received: () => number;
  /** One client, one script. */
  play(way: Way, script: Script, more?: Json): Promise<Got>;
  /** Several clients of one call, all there before the script goes on. */
  share(way: Way, script: Script, clients: number): Promise<Got[]>;
}

export async function startScriptedStage(): Promise<ScriptedStage> {
  const scripts = new Map<number, Running>();
  const read = new Map<RawConnection, number>();
  let received = 0;
  const vendor = startRawServer({
    onData(connection) {
      const start = read.get(connection) ?? 0;
      const headEnd = connection.text.indexOf(REQUEST_END, start);
      if (headEnd < 0) return;
      const length = Number(/content-length: *(\d+)/i.exec(connection.text.slice(start, headEnd))?.[1] ?? 0);
      const end = headEnd + REQUEST_END.length + length;
      if (connection.text.length < end) return;
      read.set(connection, end);
      received++;
      const name = /script (\d+)/.exec(connection.text.slice(headEnd, end))?.[1];
      const script = scripts.get(Number(name));
      if (script !== undefined) void play(connection, script);
    },
  });
  const url = `http://127.0.0.1:${vendor.port}`;
  const gateway = await startGateway({
    env: {
      OPENAI_API_KEY: 'sk-openai',
      OPENAI_BASE_URL: url,
      ANTHROPIC_API_KEY: 'sk-ant-secret',
      ANTHROPIC_BASE_URL: url,
    },
  });
  const { id, key } = await gateway.createKey({ quota_usd: 1_000_000 });
  const post = poster(gateway, key);
  let count = 0;

  async function client(way: Way, name: number, running: Running, more: Json): Promise<Got> {
    const request = ask(way.model, `script ${name}`, { stream: true, ...more });
    const response = await post(way.path, request);
    if (++running.heads >= (running.clients ?? 1)) running.go.resolve();
    const pieces: Uint8Array[] = [];
    let broken = false;
    try {
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) pieces.push(piece);
    } catch {
      broken = true;
    }
    const body = Buffer.concat(pieces);
    return {
      status: response.status,
      role: response.headers.get('x-tokenrouter-dedup'),
      bytes: body.toString('latin1'),
      text: body.toString('utf8'),
      broken,
    };
  }

  function open(script: Script): [number, Running] {
    const running: Running = { ...script, go: Promise.withResolvers<void>(), heads: 0 };
    scripts.set(++count, running);
    return [count, running];
  }

  return {
    gateway,
    key,
    keyId: id,
    received: () => received,
    async play(way, script, more = {}) {
      const [name, running] = open(script);
      const got = await client(way, name, running, more);
      scripts.delete(name);
      return got;
    },
    async share(way, script, clients) {
      const [name, running] = open({ ...script, clients });
      const got = await Promise.all(Array.from({ length: clients }, () => client(way, name, running, {})));
      scripts.delete(name);
      return got;
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      vendor[Symbol.dispose]();
    },
  };
}

/** Runs the work for every item, so many at a time. */
export async function inParallel<Item>(
  items: Iterable<Item>,
  work: (item: Item) => Promise<void>,
  atOnce = 48,
): Promise<void> {
  const queue = Iterator.from(items);
  const worker = async (): Promise<void> => {
    for (let next = queue.next(); next.done !== true; next = queue.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

const wayOf = (name: string): Way => WAYS.find((way) => way.name === name)!;
export const MESSAGES_ON_CLAUDE = wayOf('Messages on Claude');
export const MESSAGES_ON_GPT = wayOf('Messages on GPT');
export const CHAT_ON_CLAUDE = wayOf('Chat Completions on Claude');
/** What a Chat Completions client asks for besides, to be told usage. */
export const WITH_USAGE = { stream_options: { include_usage: true } };

export const CHAT_ON_GPT = wayOf('Chat Completions on GPT');

/** Nothing is left in flight, every thread is the one that was started, and nothing was found wrong. */
export async function expectUnharmed({ gateway, keyId, received }: ScriptedStage): Promise<void> {
  expect(received()).toBeGreaterThan(0);
  await settledUsd(gateway, keyId);
  for (const state of ['active', 'waiting'])
    await eventually(
      async () => (await gateway.metric('upstream_connections', { state })) === 0,
      `no connection ${state}`,
    );
  expect(await gateway.metric('dedup_replay_bytes')).toBe(0);
  expect(await gateway.metric('worker_up')).toBe(2);
  expect(await gateway.metric('requests_total', { status: '200', stream: 'true' })).toBe(
    await gateway.metric('requests_total'),
  );
  expect(await gateway.metric('rejected_total')).toBe(0);
  // At this level it prints what went wrong, and that it listens.
  expect(gateway.output.trim().split('\n')).toHaveLength(1);
}
