import autocannon, { type AutocannonClient } from 'autocannon';
import { readFileSync } from 'node:fs';
import { chatBody } from '../prompts/chat.ts';
import type { LoadMessage, LoadPlan } from './plan.ts';
import { Recorder } from './recorder.ts';
import { NUMBER_PLACEHOLDER, NUMBERS_PER_SEED, writeNumber } from './request-template.ts';

/**
 * autocannon as the load process of a closed loop: the generator everybody knows, beside the own one. Same plan in and same
 * messages out; run by Node where that is installed, since it is faster there.
 */
const STDIN = 0;

const say = (message: LoadMessage): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

const plan = JSON.parse(readFileSync(STDIN, 'utf8')) as LoadPlan;
if (plan.pace.kind !== 'closed') throw new Error('autocannon drives closed loops only');

let number = plan.seed * NUMBERS_PER_SEED;
const recorder = new Recorder(plan.windowMs, plan.parts, false);

/** autocannon sends one buffer again and again: its number is rewritten in place before each write. */
function setupClient(client: AutocannonClient): void {
  let at = -1;
  client.on('request', () => {
    const { requestBuffer } = client.requestIterator.currentRequest;
    if (at < 0) at = requestBuffer.indexOf(NUMBER_PLACEHOLDER);
    writeNumber(requestBuffer, at, number++);
    const nowMs = performance.now();
    recorder.sent(nowMs, nowMs, false);
  });
}

const tracker = autocannon(
  {
    url: `http://127.0.0.1:${plan.port}${plan.path}`,
    method: 'POST',
    headers: { ...Object.fromEntries(plan.headers), 'content-type': 'application/json' },
    body: chatBody(plan.body),
    connections: plan.connections,
    duration: Math.ceil((plan.warmupMs + plan.windowMs) / 1000) + 2,
    timeout: Math.ceil(plan.timeoutMs / 1000),
    setupClient,
  },
  () => {},
);

tracker.on('response', (_client: unknown, status: number, size: number, responseMs: number) => {
  const nowMs = performance.now();
  const dueMs = nowMs - responseMs;
  recorder.received(size, nowMs);
  if (status === 200) recorder.answered({ dueMs, upstreamMs: 0, leaderDueMs: -1, role: 'none' }, nowMs);
  else recorder.failed(`status_${status}`, dueMs, nowMs);
});
tracker.on('reqError', (error: Error) => {
  const nowMs = performance.now();
  recorder.failed(error.message, nowMs, nowMs);
});

setTimeout(() => {
  const cpuAtStart = process.cpuUsage();
  const nowMs = performance.now();
  recorder.openWindow(nowMs);
  recorder.inFlight(plan.connections, nowMs);
  say({ kind: 'mark', mark: 'window-start' });
  setTimeout(() => {
    const cpu = process.cpuUsage(cpuAtStart);
    say({ kind: 'mark', mark: 'window-end' });
    const line = `${JSON.stringify({ kind: 'result', result: recorder.result(cpu.user + cpu.system) })}\n`;
    process.stdout.write(line, () => process.exit(0));
  }, plan.windowMs);
}, plan.warmupMs);
