import { UpstreamPool, type AnswerListener } from './upstream-pool.ts';

/**
 * The two ways of spreading connections over threads, with the same stand-in for a pipeline, so that the choice stays checkable.
 * Arguments: `accept-all` or `hand-over`, port, upstream's port, threads. This file is the primary and the thread.
 *
 *   accept-all:  kernel ──connections──► thread 0..N-1: accept, work, call upstream, answer
 *   hand-over:   primary: accept ──bytes by message──► thread 0..N-1: work, call upstream ──bytes per tick──► primary: answer
 */
interface Start {
  readonly kind: 'start';
  readonly topology: string;
  readonly port: number;
  readonly upstreamPort: number;
}
interface Ask {
  readonly kind: 'ask';
  readonly id: number;
  readonly body: Uint8Array;
}
interface Pieces {
  readonly kind: 'pieces';
  /** Whole answers and parts of answers of one tick: id, bytes so far, over. */
  readonly list: readonly (readonly [number, string, boolean])[];
}

/** What stands for the pipeline: the body is read and hashed. */
function work(body: Uint8Array): boolean {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
  const parsed = JSON.parse(text) as { stream?: boolean };
  new Bun.CryptoHasher('sha256').update(body).digest();
  return parsed.stream === true;
}

type DirectController = { write(piece: string | Uint8Array): void; close(): void };

/** A streamed answer whose pieces are pushed by whoever has them. */
function streamed(begin: (controller: DirectController) => Promise<void>): Response {
  const source = { type: 'direct', pull: (controller: DirectController) => begin(controller) };
  return new Response(new ReadableStream(source as unknown as UnderlyingSource), {
    headers: { 'content-type': 'text/event-stream' },
  });
}

function serveAll(port: number, upstreamPort: number): void {
  const pool = new UpstreamPool(upstreamPort);
  Bun.serve({
    hostname: '127.0.0.1',
    port,
    reusePort: true,
    idleTimeout: 0,
    fetch: async (request) => {
      const body = await request.bytes();
      if (!work(body)) {
        const { promise, resolve } = Promise.withResolvers<string>();
        let answer = '';
        await pool.call(body, { piece: (bytes) => (answer += bytes.toString()), end: () => resolve(answer) });
        return new Response(await promise, { headers: { 'content-type': 'application/json' } });
      }
      return streamed((controller) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        void pool.call(body, {
          piece: (bytes) => {
            controller.write(Buffer.from(bytes));
          },
          end: () => {
            controller.close();
            resolve();
          },
        });
        return promise;
      });
    },
  });
}

/** A thread that accepts nothing: it works for the primary and posts back once a tick. */
function workForPrimary(upstreamPort: number): (ask: Ask) => void {
  const pool = new UpstreamPool(upstreamPort);
  let list: (readonly [number, string, boolean])[] = [];
  const post = (id: number, piece: string, over: boolean): void => {
    list.push([id, piece, over]);
    if (list.length > 1) return;
    setImmediate(() => {
      postMessage({ kind: 'pieces', list } satisfies Pieces);
      list = [];
    });
  };
  return ({ id, body }) => {
    const isStream = work(body);
    let answer = '';
    const listener: AnswerListener = {
      piece: (bytes) => {
        if (isStream) post(id, bytes.toString(), false);
        else answer += bytes.toString();
      },
      end: () => post(id, answer, true),
    };
    void pool.call(body, listener);
  };
}

function primary(topology: string, port: number, upstreamPort: number, threads: number): void {
  const workers = Array.from({ length: threads }, () => new Worker(import.meta.url));
  for (const worker of workers)
    worker.postMessage({ kind: 'start', topology, port, upstreamPort } satisfies Start);
  if (topology === 'accept-all') return;
  const waiting = new Map<number, (piece: string, over: boolean) => void>();
  for (const worker of workers)
    worker.onmessage = (event: MessageEvent<Pieces>) => {
      for (const [id, piece, over] of event.data.list) waiting.get(id)?.(piece, over);
    };
  let ids = 0;
  const ask = (body: Uint8Array, onPiece: (piece: string, over: boolean) => void): void => {
    const id = ++ids;
    waiting.set(id, (piece, over) => {
      if (over) waiting.delete(id);
      onPiece(piece, over);
    });
    workers[id % threads]?.postMessage({ kind: 'ask', id, body } satisfies Ask);
  };
  Bun.serve({
    hostname: '127.0.0.1',
    port,
    idleTimeout: 0,
    fetch: async (request) => {
      const body = await request.bytes();
      if (!Buffer.from(body.buffer).includes('"stream":true')) {
        const { promise, resolve } = Promise.withResolvers<string>();
        ask(body, resolve);
        return new Response(await promise, { headers: { 'content-type': 'application/json' } });
      }
      return streamed((controller) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        ask(body, (piece, over) => {
          if (piece !== '') controller.write(piece);
          if (!over) return;
          controller.close();
          resolve();
        });
        return promise;
      });
    },
  });
}

if (Bun.isMainThread) {
  const [topology = '', port, upstreamPort, threads] = process.argv.slice(2);
  primary(topology, Number(port), Number(upstreamPort), Number(threads));
} else {
  let take: ((ask: Ask) => void) | null = null;
  self.onmessage = (event: MessageEvent<Start | Ask>): void => {
    const message = event.data;
    if (message.kind === 'ask') take?.(message);
    else if (message.topology === 'accept-all') serveAll(message.port, message.upstreamPort);
    else take = workForPrimary(message.upstreamPort);
  };
}
