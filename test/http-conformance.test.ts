import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Simulator } from '../src/simulator/server.ts';
import { CASES, casesPresent, withCases } from './support/cases.ts';
import { expectHealthy } from './support/errors.ts';
import { eventually, type Gateway } from './support/gateway.ts';
import { openRaw, sendRaw, statusOf } from './support/raw-http.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

/** `expect`: ranges of the first status, or that the server waits for more. */
interface HttpCase {
  readonly id: string;
  readonly desc: string;
  /** Base64. */
  readonly raw: string;
  readonly expect: 'wait' | readonly (readonly [number, number])[];
}

/** The cases give the server this long to answer too early. */
const WAIT_MS = 500;

let stage: StageWithKey;
let simulator: Simulator;
let gateway: Gateway;
let key: string;

beforeAll(async () => {
  stage = await startStage({ simulator: { record: true } });
  ({ simulator, gateway, key } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

const cases: HttpCase[] = casesPresent
  ? (JSON.parse(readFileSync(join(CASES, 'http/http1_cases.json'), 'utf8')) as HttpCase[])
  : [];
const bytesOf = (one: HttpCase): string => Buffer.from(one.raw, 'base64').toString('latin1');
/** First status, interim ones included. */
const firstStatus = (text: string): number => Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]);
const within = (status: number, ranges: readonly (readonly [number, number])[]): boolean =>
  ranges.some(([low, high]) => status >= low && status <= high);

withCases.describe('HTTP/1.1 cases', () => {
  test('all of them are here', () => {
    expect(cases).toHaveLength(32);
  });

  test.concurrent.each(cases.filter((one) => one.expect === 'wait').map((one) => [one.id, one] as const))(
    '%s: the server waits for the rest',
    async (_id, one) => {
      await using connection = await openRaw(gateway.url);
      await connection.send(bytesOf(one));
      expect(await connection.until((text) => text !== '', WAIT_MS)).toEqual({ text: '', closed: false });
    },
  );

  const answered = cases.filter((one) => one.expect !== 'wait');
  test.concurrent.each(answered.map((one) => [`${one.id}: ${one.desc}`, one] as const))(
    '%s',
    async (_id, one) => {
      const { text } = await sendRaw(gateway.url, bytesOf(one));
      expect(within(firstStatus(text), one.expect as [number, number][])).toBe(true);
    },
  );

  // `/` is a 404 for everything that could be read, which many cases take for a refusal: seen again where something is.
  test.concurrent.each(answered.map((one) => [`${one.id}: ${one.desc}`, one] as const))(
    '%s, where something is',
    async (_id, one) => {
      const { text } = await sendRaw(gateway.url, bytesOf(one).replace(' / ', ' /health/live '));
      expect(within(firstStatus(text), one.expect as [number, number][])).toBe(true);
    },
  );
});

describe('where one request ends and the next begins', () => {
  const body = (content: string): string =>
    JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }] });
  const post = (fields: string, text: string): string =>
    `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n${fields}\r\n${text}`;
  const whole = (content: string): string =>
    post(`Content-Length: ${Buffer.byteLength(body(content))}\r\n`, body(content));
  const statuses = (text: string): string[] =>
    [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => match[1]!);

  test('requests in a row are answered in that order, as long as each can be answered at once', async () => {
    await using connection = await openRaw(gateway.url);
    await connection.send('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3));
    const { text } = await connection.until((sofar) => statuses(sofar).length === 3);
    expect(statuses(text)).toEqual(['200', '200', '200']);
  });

  test('a request behind one that is being answered waits for its turn', async () => {
    await using connection = await openRaw(gateway.url);
    await connection.send(whole('[[sim:delay=300]] slow') + post('Content-Length: 2\r\n', '[]'));
    const { text } = await connection.until((sofar) => statuses(sofar).length === 2 && sofar.endsWith('}'));
    expect(statuses(text)).toEqual(['200', '400']);
  });

  test('a client that leaves takes what it had sent ahead with it', async () => {
    const { aborted, received } = simulator.stats();
    {
      await using connection = await openRaw(gateway.url);
      await connection.send(whole('[[sim:delay=60000]] slow'));
      await eventually(() => simulator.stats().inFlight === 1, 'the vendor has the first request');
      await connection.send(whole('[[sim:delay=60000]] second'));
    }
    await eventually(() => simulator.stats().aborted === aborted + 1, 'the call is given up');
    await expectHealthy(gateway, key);
    expect(simulator.stats().received).toBe(received + 2);
  });

  test('a connection serves many requests, whatever came before', async () => {
    await using connection = await openRaw(gateway.url);
    let answers = 0;
    for (const request of [
      whole('1'),
      post('Content-Length: 2\r\n', '[]'),
      whole('2'),
      post('Content-Length: 0\r\n', ''),
      whole('3'),
    ]) {
      await connection.send(request);
      answers++;
      await connection.until((text) => statuses(text).length === answers && text.endsWith('}'));
    }
    expect(statuses(connection.answer.text)).toEqual(['200', '400', '200', '400', '200']);
    expect(connection.answer.closed).toBe(false);
  });

  const hidden = (): string => whole('smuggled');
  const ambiguous: readonly (readonly [string, () => string])[] = [
    [
      'length and chunks',
      () => post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${hidden()}`),
    ],
    [
      'chunks and length',
      () => post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `0\r\n\r\n${hidden()}`),
    ],
    [
      'two lengths',
      () => post(`Content-Length: 2\r\nContent-Length: ${2 + hidden().length}\r\n`, `{}${hidden()}`),
    ],
    ['a list of lengths', () => post('Content-Length: 2, 200\r\n', `{}${hidden()}`)],
    ['a signed length', () => post('Content-Length: +2\r\n', `{}${hidden()}`)],
    ['a coding that is none', () => post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${hidden()}`)],
    ['chunked not last', () => post('Transfer-Encoding: chunked, gzip\r\n', `0\r\n\r\n${hidden()}`)],
    [
      'a space before the colon',
      () => post('Transfer-Encoding : chunked\r\nContent-Length: 0\r\n', `0\r\n\r\n${hidden()}`),
    ],
    [
      'a folded field',
      () => post('Transfer-Encoding:\r\n chunked\r\nContent-Length: 2\r\n', `{}${hidden()}`),
    ],
    [
      'line feeds alone',
      () => post('Content-Length: 2\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${hidden()}`),
    ],
  ];
  test.each(ambiguous)('%s: no hidden request gets through', async (_name, request) => {
    const received = simulator.stats().received;
    await using connection = await openRaw(gateway.url);
    await connection.send(request());
    const answer = await connection.until(() => false, 300);
    expect(statusOf(answer)).toBe(400);
    expect(answer.closed).toBe(true);
    expect(simulator.stats().received).toBe(received);
  });
});
