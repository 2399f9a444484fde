import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, casesPresent, withCases } from '../../test/support/cases.ts';
import { ProtocolError } from './protocol-error.ts';
import { SseParser, SseTooLargeError } from './sse.ts';
import { parsePlainly, type PlainBlock } from './testing/sse-plain.ts';

const VECTORS = join(CASES, 'http/sse_vectors.json');

interface Options {
  readonly flush?: boolean;
  readonly maxEventBytes?: number;
}

/** Feeds the pieces; answers blocks as the plain twin does. Checks that ranges stay readable until the push returns. */
function parse(
  pieces: readonly Uint8Array[],
  { flush, maxEventBytes = 1 << 20 }: Options = {},
): PlainBlock[] {
  const blocks: PlainBlock[] = [];
  let reported: { block: PlainBlock; data: Uint8Array | null; raw: Uint8Array }[] = [];
  const add = (bytes: Uint8Array, data: Uint8Array | null, start: number, end: number): void => {
    const raw = bytes.subarray(start, end);
    const block = { data: data === null ? null : latin1(data), raw: latin1(raw) };
    reported.push({ block, data, raw });
    blocks.push(block);
  };
  const settle = (): void => {
    for (const { block, data, raw } of reported)
      expect({ data: data === null ? null : latin1(data), raw: latin1(raw) }).toEqual(block);
    reported = [];
  };
  const parser = new SseParser({
    maxEventBytes,
    onEvent: (bytes, dataStart, dataEnd, start, end) =>
      add(bytes, bytes.subarray(dataStart, dataEnd), start, end),
    onBlock: (bytes, start, end) => add(bytes, null, start, end),
  });
  for (const piece of pieces) {
    // Within a larger chunk, whose other bytes are somebody else's.
    const chunk = Buffer.concat([
      Buffer.from('data: not mine\n\n\r\r'),
      piece,
      Buffer.from('\n\n\r\ndata: nor this'),
    ]);
    parser.push(chunk, 18, 18 + piece.length);
    settle();
    chunk.fill(0);
  }
  parser.end(flush === undefined ? {} : { flush });
  settle();
  return blocks;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function cut(stream: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length; at += size) pieces.push(stream.subarray(at, at + size));
  return pieces;
}

function dataOf(blocks: readonly PlainBlock[]): string[] {
  return blocks.flatMap(({ data }) => (data === null ? [] : [Buffer.from(data, 'latin1').toString()]));
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

interface Vector {
  readonly name: string;
  readonly raw: string;
  readonly data: string[];
}

withCases.describe('vectors', () => {
  const vectors = casesPresent ? (JSON.parse(readFileSync(VECTORS, 'utf8')) as Vector[]) : [];
  test('are there', () => expect(vectors).toHaveLength(23));

  for (const { name, raw, data } of vectors)
    test(name, () => {
      const stream = Buffer.from(raw, 'base64');
      const splits = Array.from({ length: stream.length + 1 }, (_, at) => [
        stream.subarray(0, at),
        stream.subarray(at),
      ]);
      const chunkings = stream.length > 10_000 ? splits.filter((_, at) => at % 97 === 0) : splits;
      for (const pieces of [[stream], cut(stream, 1), cut(stream, 7), ...chunkings])
        expect(dataOf(parse(pieces))).toEqual(data);
    });
});

test('comments, other fields and empty blocks are reported as they came', () => {
  const stream = ': keep-alive\n\ndata: a\n\nevent: ping\nid: 1\n\n\n\r\n: x\r\rdata\r\n\r\n';
  expect(parse([bytes(stream)])).toEqual([
    { data: null, raw: ': keep-alive\n\n' },
    { data: 'a', raw: 'data: a\n\n' },
    { data: null, raw: 'event: ping\nid: 1\n\n' },
    { data: null, raw: '\n' },
    { data: null, raw: '\r\n' },
    { data: null, raw: ': x\r\r' },
    { data: '', raw: 'data\r\n\r\n' },
  ]);
});

test('an event keeps all its lines in its raw form', () => {
  const stream = 'event: delta\nid: 7\ndata: a\n: note\ndata:  b\nretry: 3\ndata\n\n';
  expect(parse([bytes(stream)])).toEqual([{ data: 'a\n b\n', raw: stream }]);
  expect(parse(cut(bytes(stream), 1))).toEqual([{ data: 'a\n b\n', raw: stream }]);
});

test('without a listener for blocks only events are reported', () => {
  const data: string[] = [];
  const parser = new SseParser({
    maxEventBytes: 100,
    onEvent: (chunk, start, end) => data.push(latin1(chunk.subarray(start, end))),
  });
  parser.push(bytes(': hello\n\ndata: a\n\n: bye\n\n'));
  parser.end();
  expect(data).toEqual(['a']);
});

test('an event is reported as a range of its chunk, one that was split not', () => {
  const seen: Uint8Array[] = [];
  const parser = new SseParser({ maxEventBytes: 100, onEvent: (chunk) => seen.push(chunk) });
  const first = bytes('data: a\n\ndata: b\n\ndata: c');
  const second = bytes('\n\ndata: d\n\n');
  parser.push(first);
  parser.push(second);
  expect(seen.map((chunk) => [first, second].indexOf(chunk as Buffer))).toEqual([0, 0, -1, 1]);
});

test('the end drops what has no blank line, or flushes it when told to', () => {
  const last = (stream: string, flush: boolean): PlainBlock[] => {
    const whole = parse([bytes(stream)], { flush });
    expect(parse(cut(bytes(stream), 1), { flush })).toEqual(whole);
    return whole.slice(1);
  };
  const first = 'data: a\n\n';
  for (const rest of [
    'data: [DONE]\n',
    'data: [DONE]',
    'data: [DONE]\r\n',
    'data: [DONE]\r',
    'event: x\ndata: [DONE]\n',
  ]) {
    expect(last(first + rest, false)).toEqual([]);
    const [event, ...more] = last(first + rest, true);
    expect(more).toEqual([]);
    expect(event?.data).toBe('[DONE]');
    // As a client needs it: what came, and the line ends that were missing.
    expect(event?.raw.startsWith(rest)).toBe(true);
    expect(parsePlainly(event?.raw ?? '')).toEqual([event!]);
  }
  expect(last(`${first}: comment`, true)).toEqual([{ data: null, raw: ': comment\n\n' }]);
  expect(last(first, true)).toEqual([]);
  expect(last(`${first}data: [DONE]\n\n`, true)).toEqual([{ data: '[DONE]', raw: 'data: [DONE]\n\n' }]);
  // A final CR is a line end without waiting for more, and nothing is added to it.
  for (const flush of [false, true])
    expect(last(`${first}data: b\r\r`, flush)).toEqual([{ data: 'b', raw: 'data: b\r\r' }]);
});

test('a byte order mark is skipped once, whole or in pieces', () => {
  const mark = '\xef\xbb\xbf';
  const stream = bytes(`${mark}data: a\n\n${mark}data: b\n\n`);
  const expected = [
    { data: 'a', raw: 'data: a\n\n' },
    { data: null, raw: `${mark}data: b\n\n` },
  ];
  for (let size = 1; size < 8; size++) expect(parse(cut(stream, size))).toEqual(expected);
  // The beginning of a mark is no mark.
  for (let size = 1; size < 8; size++)
    expect(parse(cut(bytes('\xef\xbbdata: a\n\n'), size))).toEqual([
      { data: null, raw: '\xef\xbbdata: a\n\n' },
    ]);
});

test('an event past the limit is refused, at any split, after the events before it', () => {
  const limit = 20;
  const fits = `data: ${'x'.repeat(limit - 8)}\n\n`;
  const tooLarge = `data: ${'x'.repeat(limit - 7)}\n\n`;
  const comment = `: ${'x'.repeat(limit)}\n\n`;
  for (const bad of [tooLarge, comment, `data: 1\n${'data: 2\n'.repeat(9)}\n`, 'x'.repeat(limit + 1)]) {
    const stream = bytes(fits + bad + fits);
    for (let size = 1; size <= stream.length; size++) {
      const data: number[] = [];
      const parser = new SseParser({
        maxEventBytes: limit,
        onEvent: (_, start, end) => data.push(end - start),
      });
      const push = (): void => {
        for (const piece of cut(stream, size)) parser.push(piece);
      };
      expect(push).toThrow(SseTooLargeError);
      expect(push).toThrow(ProtocolError);
      expect(data[0]).toBe(limit - 8);
    }
  }
  expect(parse([bytes(fits)], { maxEventBytes: limit }).length).toBe(1);
});

test('a large event in many pieces is looked at once', () => {
  const size = 16 * 1024 * 1024;
  const piece = Buffer.alloc(1_400, 'x');
  let got = 0;
  const parser = new SseParser({ maxEventBytes: 2 * size, onEvent: (_, start, end) => (got = end - start) });
  parser.push(bytes('data: '));
  let sent = 0;
  // Twelve thousand pieces: going through all that is held for each would read 100 GB.
  for (; sent < size; sent += piece.length) parser.push(piece);
  // As many data lines, the worst that an event can be made of.
  for (let count = 0; count < 100_000; count++) parser.push(bytes('\ndata: y'));
  parser.push(bytes('\n\n'));
  expect(got).toBe(sent + 200_000);
}, 20_000);

const FRAGMENTS = [
  '\n',
  '\n',
  '\n\n',
  '\r',
  '\r\n',
  '\r\n\r\n',
  '\r\r',
  'data: ',
  'data:',
  'data',
  ': note',
  ':',
  'x',
  ' ',
  '\0',
];
const LINES = [
  'data: {"a":1}',
  'event: x',
  'id: 1',
  '\xef\xbb\xbf',
  '\xef',
  '\xe2\x80\xa8',
  'datax: 1',
  ' data: 1',
  'Data: 2',
];
const fragment = fc.constantFrom(...FRAGMENTS, ...LINES);
const stream = fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join(''));

test('property: the same blocks as the plain twin, however the stream is split', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat({ max: 120 }), { maxLength: 10 }), (text, at) => {
      const expected = parsePlainly(text);
      const whole = bytes(text);
      const cuts = [0, ...at.map((one) => Math.min(one, text.length)), text.length].sort((a, b) => a - b);
      const pieces = cuts.slice(1).map((end, index) => whole.subarray(cuts[index], end));
      expect(parse(pieces)).toEqual(expected);
      expect(parse([whole])).toEqual(expected);
      expect(parse(cut(whole, 1))).toEqual(expected);
    }),
    { numRuns: 2_000 },
  );
});

test('property: nothing of a stream is left out, and a flushed end is a whole block', () => {
  fc.assert(
    fc.property(stream, fc.integer({ min: 1, max: 9 }), (text, size) => {
      const blocks = parse(cut(bytes(text), size), { flush: true });
      const relayed = blocks.map(({ raw }) => raw).join('');
      const body = text.startsWith('\xef\xbb\xbf') ? text.slice(3) : text;
      expect(relayed.startsWith(body) || body.startsWith('\xef')).toBe(true);
      expect(relayed.length - body.length).toBeLessThanOrEqual(2);
      // A second byte order mark is part of the stream; read anew it would be the first, and not be.
      if (!relayed.startsWith('\xef\xbb\xbf')) {
        expect(dataOf(parsePlainly(relayed))).toEqual(dataOf(blocks));
      }
    }),
    { numRuns: 1_000 },
  );
});
