import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, casesPresent, withCases } from '../../../test/support/cases.ts';
import type { HeadError } from './head.ts';
import { type HttpRequest, isRequest, RequestReader } from './request-reader.ts';

const MAX_BODY = 1024;

/** Everything a reader makes of bytes that arrive in these pieces. */
function read(pieces: readonly Buffer[]): (HttpRequest | HeadError)[] {
  const reader = new RequestReader(MAX_BODY, () => {});
  const results: (HttpRequest | HeadError)[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let next = reader.next(); next !== null; next = reader.next()) {
      results.push(next);
      if (!isRequest(next)) return results;
    }
  }
  return results;
}

const readText = (text: string): (HttpRequest | HeadError)[] => read([Buffer.from(text, 'latin1')]);

function only(text: string): HttpRequest {
  const [request, ...rest] = readText(text);
  if (request === undefined || !isRequest(request) || rest.length > 0)
    throw new Error('expected one request');
  return request;
}

function statusOf(text: string): number | null {
  const [result] = readText(text);
  return result === undefined || isRequest(result) ? null : result.status;
}

test('reads a request', () => {
  const { head, body } = only(
    'POST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\nX-Sim-Delay: 5\r\ncontent-LENGTH: 3\r\n\r\nabc',
  );
  expect(head.method).toBe('POST');
  expect(head.path).toBe('/v1/x');
  expect(head.headers.get('x-sim-delay')).toBe('5');
  expect(head.hasDirectives).toBe(true);
  expect(head.keepAlive).toBe(true);
  expect(body.toString()).toBe('abc');
});

test('reads the same head twice, and two that differ', () => {
  const first = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n';
  const second = 'GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const paths = readText(first + first + second).map((request) =>
    isRequest(request) ? request.head.path : '',
  );
  expect(paths).toEqual(['/a', '/a', '/b']);
});

test('says who closes', () => {
  expect(only('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').head.keepAlive).toBe(false);
  expect(only('GET / HTTP/1.0\r\n\r\n').head.keepAlive).toBe(false);
  expect(only('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n').head.keepAlive).toBe(true);
});

test('accepts the absolute form and empty lines ahead', () => {
  expect(only('\r\n\r\nGET http://h:1/p?q HTTP/1.1\r\nHost: h\r\n\r\n').head.path).toBe('/p');
});

test('refuses what is malformed or ambiguous', () => {
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n';
  expect(statusOf('GET  / HTTP/1.1\r\nHost: a\r\n\r\n')).toBe(400);
  expect(statusOf('GET / HTTP/2.0\r\nHost: a\r\n\r\n')).toBe(505);
  expect(statusOf('GET / HTTP/1.1\r\n\r\n')).toBe(400);
  expect(statusOf(`${get}A : b\r\n\r\n`)).toBe(400);
  expect(statusOf(`${get}: b\r\n\r\n`)).toBe(400);
  expect(statusOf(`${get} folded\r\n\r\n`)).toBe(400);
  expect(statusOf(`${get}A: b\nC: d\r\n\r\n`)).toBe(400);
  expect(statusOf(`${get}Host: b\r\n\r\n`)).toBe(400);
  expect(statusOf(`${get}Content-Length: +1\r\n\r\n`)).toBe(400);
  expect(statusOf(`${get}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`)).toBe(400);
  expect(statusOf(`${get}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`)).toBe(400);
  expect(statusOf(`${get}Transfer-Encoding: gzip\r\n\r\n`)).toBe(501);
  expect(statusOf(`${get}Transfer-Encoding: chunked\r\n\r\nx\r\n`)).toBe(400);
  expect(statusOf(`${get}Content-Length: ${MAX_BODY + 1}\r\n\r\n`)).toBe(413);
  expect(
    statusOf(
      `${get}Transfer-Encoding: chunked\r\n\r\n${(2 * MAX_BODY).toString(16)}\r\n${'x'.repeat(2 * MAX_BODY)}`,
    ),
  ).toBe(413);
  expect(statusOf(`${get}A: ${'x'.repeat(70_000)}`)).toBe(431);
});

test('asks for the body where the client waits for that', () => {
  let asked = 0;
  const reader = new RequestReader(MAX_BODY, () => asked++);
  reader.push(Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n'));
  expect(reader.next()).toBeNull();
  expect(asked).toBe(1);
  reader.push(Buffer.from('ab'));
  expect(reader.next()).not.toBeNull();
});

/** Requests with sized and chunked bodies, as bytes, with the bodies they carry. */
const requests = fc.array(
  fc.record({
    body: fc.uint8Array({ maxLength: 200 }),
    cuts: fc.option(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 })),
  }),
  { minLength: 1, maxLength: 4 },
);

function encode(body: Uint8Array, cuts: readonly number[] | null): Buffer {
  const head = 'POST /p HTTP/1.1\r\nHost: a\r\n';
  if (cuts === null)
    return Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]);
  const parts: Uint8Array[] = [Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`)];
  let at = 0;
  for (let index = 0; at < body.length; index++) {
    const part = body.subarray(at, at + (cuts[index % cuts.length] ?? 1));
    parts.push(Buffer.from(`${part.length.toString(16)};x=y\r\n`), part, Buffer.from('\r\n'));
    at += part.length;
  }
  parts.push(Buffer.from('0\r\nTrailer: t\r\n\r\n'));
  return Buffer.concat(parts);
}

test('finds the same requests however the bytes are cut', () => {
  fc.assert(
    fc.property(requests, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (sent, sizes) => {
      const bytes = Buffer.concat(sent.map(({ body, cuts }) => encode(body, cuts)));
      const pieces: Buffer[] = [];
      for (let at = 0, index = 0; at < bytes.length; index++) {
        const size = sizes[index % sizes.length] ?? 1;
        pieces.push(bytes.subarray(at, at + size));
        at += size;
      }
      const bodies = read(pieces).map((request) =>
        isRequest(request) ? request.body.toString('hex') : request.reason,
      );
      expect(bodies).toEqual(sent.map(({ body }) => Buffer.from(body).toString('hex')));
    }),
    { numRuns: 300 },
  );
});

test('never throws on noise', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (pieces) => {
      read([Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n'), ...pieces.map((piece) => Buffer.from(piece))]);
      read(pieces.map((piece) => Buffer.from(piece)));
    }),
    { numRuns: 300 },
  );
});

interface HttpCase {
  readonly id: string;
  readonly desc: string;
  /** Base64. */
  readonly raw: string;
  /** Status ranges, or what is to happen. */
  readonly expect: string | readonly (readonly [number, number])[];
}

withCases.describe('HTTP/1.1 cases', () => {
  const cases = casesPresent
    ? (JSON.parse(readFileSync(join(CASES, 'http/http1_cases.json'), 'utf8')) as readonly HttpCase[])
    : [];
  test('are there', () => expect(cases).toHaveLength(32));

  for (const { id, desc, raw, expect: expected } of cases) {
    test(`${id}: ${desc}`, () => {
      const results = read([Buffer.from(raw, 'base64')]);
      const good = results.filter(isRequest);
      const refused = results.length > good.length;
      if (expected === 'wait') expect(results).toEqual([]);
      else if (expected === 'pipeline2') expect(good.length).toBe(2);
      else if (expected === 'reject') expect([good.length, refused]).toEqual([0, true]);
      else if (expected === 'single') expect([good.length, refused]).toEqual([1, false]);
      else if (typeof expected === 'string') expect(good.length).toBeLessThanOrEqual(1);
      else {
        const status = results.map((result) => (isRequest(result) ? 200 : result.status))[0] ?? 0;
        expect(expected.some(([from, to]) => status >= from && status <= to)).toBe(true);
      }
    });
  }
});
