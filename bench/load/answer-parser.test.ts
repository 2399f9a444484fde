import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { AnswerParser, fieldOf } from './answer-parser.ts';

interface Seen {
  status: number;
  head: string;
  body: string;
  wrong: string;
  done: boolean;
}

function feed(pieces: readonly Buffer[]): Seen {
  const seen: Seen = { status: 0, head: '', body: '', wrong: '', done: false };
  const parser = new AnswerParser({
    head: (status, head) => {
      seen.status = status;
      seen.head = head;
    },
    payload: (bytes, from, to) => {
      seen.body += bytes.toString('latin1', from, to);
    },
  });
  for (const piece of pieces) {
    seen.wrong = parser.push(piece);
    if (seen.wrong !== '') break;
  }
  seen.done = parser.done;
  return seen;
}

/** Cuts bytes at the given places. */
function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const at = [
    0,
    ...[...new Set(places.map((place) => place % bytes.length))].sort((a, b) => a - b),
    bytes.length,
  ];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

const COUNTED =
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\nX-Sim-Upstream-Ms: 1.5\r\n\r\n{"a": "b"} ';
const CHUNKED =
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext="1"\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n';

describe('AnswerParser', () => {
  test.each([
    ['counted', COUNTED, '{"a": "b"} '],
    ['chunked', CHUNKED, 'hello world'],
  ])('reads a %s answer however it is cut', (_name, text, body) => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 12 }), (places) => {
        const seen = feed(cut(text, places));
        expect(seen).toMatchObject({ status: 200, body, wrong: '', done: true });
      }),
    );
  });

  test('finds fields whatever their case', () => {
    const { head } = feed([Buffer.from(COUNTED)]);
    expect(fieldOf(head, 'x-sim-upstream-ms')).toBe('1.5');
    expect(fieldOf(head, 'content-length')).toBe('11');
    expect(fieldOf(head, 'length')).toBe('');
  });

  test('an answer without length ends with the connection', () => {
    const parser = new AnswerParser({ head: () => {}, payload: () => {} });
    expect(parser.push(Buffer.from('HTTP/1.1 200 OK\r\n\r\nsome'))).toBe('');
    expect(parser.done).toBe(false);
    expect(parser.closes).toBe(true);
    expect(parser.end()).toBe(true);
  });

  test('a connection that ends early is no end of a counted answer', () => {
    const parser = new AnswerParser({ head: () => {}, payload: () => {} });
    parser.push(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nsome'));
    expect(parser.end()).toBe(false);
    expect(parser.untouched).toBe(false);
  });

  test('interim answers go by', () => {
    const seen = feed([Buffer.from(`HTTP/1.1 100 Continue\r\n\r\n${COUNTED}`)]);
    expect(seen).toMatchObject({ status: 200, done: true });
  });

  test('is ready for the next answer after a reset', () => {
    const bodies: string[] = [];
    const parser = new AnswerParser({
      head: () => {},
      payload: (bytes, from, to) => void bodies.push(bytes.toString('latin1', from, to)),
    });
    for (let round = 0; round < 2; round++) {
      expect(parser.push(Buffer.from(COUNTED))).toBe('');
      expect(parser.done).toBe(true);
      parser.reset();
      expect(parser.untouched).toBe(true);
    }
    expect(bodies).toEqual(['{"a": "b"} ', '{"a": "b"} ']);
  });

  test.each([
    ['bytes after the answer', `${COUNTED}x`, 'bytes after the answer'],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', 'not HTTP/1'],
    ['a bad chunk size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n', 'bad chunk size'],
    [
      'a chunk that is too long',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n',
      'chunk longer than it said',
    ],
  ])('%s is an error', (_name, text, wrong) => {
    expect(feed([Buffer.from(text)]).wrong).toBe(wrong);
  });
});
