import { afterAll, beforeAll, expect, test } from 'bun:test';
import { LABEL_BYTES, MAX_ROWS, METRIC_WORDS } from '../shared/counter-layout.ts';
import { createMemory } from '../shared/memory-map.ts';
import type { Scraped } from './thread.ts';

const memory = createMemory({
  workers: 2,
  metricWords: METRIC_WORDS,
  labelBytes: MAX_ROWS * LABEL_BYTES,
  maxKeys: 16,
});
let thread: Worker;
let port: MessagePort;

beforeAll(() => {
  memory.heartbeats[0] = 2 ** 31 - 1;
  thread = new Worker(new URL('../../workers/metrics.ts', import.meta.url));
  const { port1, port2 } = new MessageChannel();
  port = port1;
  thread.postMessage({ type: 'start', memory, providers: [] });
  thread.postMessage({ type: 'connect', port: port2 }, [port2]);
});
afterAll(() => thread.terminate());

function up(): Promise<string[]> {
  return new Promise((resolve) => {
    port.onmessage = ({ data }: MessageEvent<Scraped>) =>
      resolve([...data.text.matchAll(/^tokenrouter_worker_up\{worker="\d"\} (\d)$/gm)].map((one) => one[1]!));
    port.postMessage({ id: 1 });
  });
}

test('a thread is up whenever its heartbeat changes, whatever number it has come to', async () => {
  // The second one has never beaten.
  expect(await up()).toEqual(['1', '0']);
  memory.heartbeats[0]! += 1;
  expect(memory.heartbeats[0]).toBe(-(2 ** 31));
  expect(await up()).toEqual(['1', '0']);
  memory.heartbeats[0] = -1;
  expect(await up()).toEqual(['1', '0']);
  memory.heartbeats[0] = 0;
  expect(await up()).toEqual(['1', '0']);
  memory.heartbeats[1] = 1;
  expect(await up()).toEqual(['1', '1']);
});
