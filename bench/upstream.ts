/**
 * CPU cost of the upstream client alone, over loopback against `Bun.serve` in another process.
 *
 * `bun bench/upstream.ts [client module …]`: every module named exports an `UpstreamClient`; without any, the project's
 * own is measured. `fetch` runs beside them. Variants take turns, so that what the machine does meanwhile hits all.
 */
import type { UpstreamHandler, UpstreamTransport } from '../src/upstream/call.ts';
import { FetchTransport } from '../src/upstream/fetch-transport.ts';
import { SseParser } from '../src/http1/sse.ts';

const CONCURRENCY = 64;
const REQUESTS = 40_000;
const STREAMS = 400;
const EVENTS_PER_STREAM = 250;
const ROUNDS = 5;

const REQUEST_BODY = Buffer.from(JSON.stringify({ model: 'm', messages: [{ content: 'x'.repeat(1_650) }] }));
const ANSWER = JSON.stringify({ id: 'chatcmpl-1', choices: [{ message: { content: 'y'.repeat(600) } }] });
const EVENT = `data: ${JSON.stringify({ id: 'chatcmpl-1', choices: [{ index: 0, delta: { content: 'z'.repeat(140) } }] })}\n\n`;

type ClientModule = {
  readonly UpstreamClient: new (options: object) => UpstreamTransport;
};

interface Variant {
  readonly name: string;
  readonly transport: UpstreamTransport;
}

interface Sample {
  readonly cpuUs: number;
  readonly wallUs: number;
}

function serveVendor(): void {
  const encoder = new TextEncoder();
  const event = encoder.encode(EVENT);
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request) {
      await request.arrayBuffer();
      if (!request.url.endsWith('/stream'))
        return new Response(ANSWER, { headers: { 'content-type': 'application/json', 'x-request-id': 'r' } });
      return new Response(
        new ReadableStream({
          type: 'direct',
          async pull(controller: ReadableStreamDirectController) {
            for (let sent = 0; sent < EVENTS_PER_STREAM; sent++) {
              void controller.write(event);
              await controller.flush();
            }
            controller.close();
          },
        } as unknown as UnderlyingSource),
        { headers: { 'content-type': 'text/event-stream' } },
      );
    },
  });
  process.send?.(server.port);
}

/** Runs `total` calls, `CONCURRENCY` at a time; each answer's pieces go to `onBody`. */
function run(
  transport: UpstreamTransport,
  port: number,
  path: string,
  total: number,
  handlerOf: () => Pick<UpstreamHandler, 'onBody'>,
): Promise<Sample> {
  const origin = { key: `http://127.0.0.1:${port}`, tls: false, host: '127.0.0.1', port };
  const head =
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer k\r\n` +
    `Content-Length: ${REQUEST_BODY.length}\r\n\r\n`;
  const { promise, resolve, reject } = Promise.withResolvers<Sample>();
  const cpu = process.cpuUsage();
  const startedAtMs = performance.now();
  let started = 0;
  let ended = 0;
  const next = (): void => {
    if (started === total) return;
    started++;
    const { onBody } = handlerOf();
    transport.call(
      { origin, head, body: [REQUEST_BODY] },
      {
        onHead(status) {
          if (status !== 200) reject(new Error(`status ${status}`));
        },
        onBody,
        onEnd() {
          if (++ended < total) {
            next();
            return;
          }
          const { user, system } = process.cpuUsage(cpu);
          resolve({
            cpuUs: (user + system) / total,
            wallUs: ((performance.now() - startedAtMs) * 1_000) / total,
          });
        },
        onError(failure) {
          reject(new Error(`${failure.kind}: ${failure.message}`));
        },
      },
    );
  };
  for (let index = 0; index < CONCURRENCY; index++) next();
  return promise;
}

const OPTIONS = {
  limits: { maxIdle: 1_000, maxIdlePerHost: 1_000, maxPerHost: 0, idleTimeoutMs: 60_000 },
  timeouts: { connectMs: 10_000, firstByteMs: 60_000, idleMs: 60_000, totalMs: 600_000 },
  maxHeadBytes: 65_536,
  now: () => performance.now(),
};

async function load(path: string): Promise<Variant> {
  const { UpstreamClient } = (await import(path)) as ClientModule;
  return { name: path, transport: new UpstreamClient(OPTIONS) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function main(paths: readonly string[]): Promise<void> {
  const ready = Promise.withResolvers<number>();
  const vendor = Bun.spawn([process.execPath, import.meta.path, 'vendor'], {
    ipc: (port: number) => ready.resolve(port),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const port = await ready.promise;
  const variants = await Promise.all(paths.map((path) => load(path)));
  variants.push({ name: 'fetch', transport: new FetchTransport({ ...OPTIONS, proxyUrl: null }) });
  const small = new Map<string, Sample[]>();
  const events = new Map<string, Sample[]>();
  const ignore = { onBody(): void {} };
  const parse = (): Pick<UpstreamHandler, 'onBody'> => {
    const parser = new SseParser({ maxEventBytes: 1 << 20, onEvent() {} });
    return { onBody: (chunk, start, end) => parser.push(chunk, start, end) };
  };
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { name, transport } of round % 2 === 0 ? variants : variants.toReversed()) {
      const one = await run(transport, port, '/', REQUESTS, () => ignore);
      const stream = await run(transport, port, '/stream', STREAMS, parse);
      // The first round warms up.
      if (round === 0) continue;
      small.set(name, [...(small.get(name) ?? []), one]);
      events.set(name, [
        ...(events.get(name) ?? []),
        { cpuUs: stream.cpuUs / EVENTS_PER_STREAM, wallUs: stream.wallUs / EVENTS_PER_STREAM },
      ]);
    }
  }
  const row = (name: string, samples: readonly Sample[]): Record<string, string> => ({
    variant: name,
    'CPU µs, median': median(samples.map((sample) => sample.cpuUs)).toFixed(2),
    'CPU µs, all': samples.map((sample) => sample.cpuUs.toFixed(2)).join(' '),
    'wall µs, median': median(samples.map((sample) => sample.wallUs)).toFixed(2),
  });
  console.log(`per request, ${CONCURRENCY} connections, ${REQUEST_BODY.length} byte bodies`);
  console.table([...small].map(([name, samples]) => row(name, samples)));
  console.log(`per streamed event of ${EVENT.length} bytes, SSE parser included`);
  console.table([...events].map(([name, samples]) => row(name, samples)));
  for (const { transport } of variants) transport.close();
  vendor.kill();
}

if (process.argv[2] === 'vendor') serveVendor();
else {
  const paths = process.argv.slice(2);
  await main(
    paths.length > 0 ? paths : [Bun.fileURLToPath(new URL('../src/upstream/client.ts', import.meta.url))],
  );
}
