import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { ProtocolError } from './protocol-error.ts';
import { parse } from './testing/parse.ts';
import { findHeadEnd } from './message-head.ts';
import { parseHead } from './response-head.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\n');
/** Responses, most of them right. */
const response = fc
  .record({
    interim: fc.constantFrom('', '', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 x\nlink: y\n\n'),
    status: fc.constantFrom('200 OK', '200', '404 Not Found', '204 No Content', '500 x'),
    version: fc.constantFrom('1.1', '1.1', '1.0'),
    fields: fc.array(
      fc.constantFrom(
        'Content-Type: text/plain',
        'x-a:1',
        'X-A:  2 ',
        'x-empty:',
        'Connection: close',
        'connection: keep-alive',
        'bad',
        ' fold',
      ),
      { maxLength: 4 },
    ),
    lineEnd,
    framing: fc.constantFrom('sized', 'sized', 'chunked', 'chunked', 'close', 'both', 'short'),
    body: fc.array(latin1, { maxLength: 5 }),
    extension: fc.constantFrom('', '', ';a=b', ' ; c'),
    trailer: fc.constantFrom('', '', 'x: y\r\n', 'z: 1\n'),
    rest: fc.constantFrom('', '', '', 'HTTP/1.1 200', '\r\n'),
  })
  .map((parts) => {
    const all = parts.body.join('');
    let framing = '';
    let body = all;
    if (parts.framing === 'sized' || parts.framing === 'both')
      framing += `Content-Length: ${all.length}${parts.lineEnd}`;
    if (parts.framing === 'short') framing = `Content-Length: ${all.length + 3}${parts.lineEnd}`;
    if (parts.framing === 'chunked' || parts.framing === 'both')
      framing += `Transfer-Encoding: chunked${parts.lineEnd}`;
    if (parts.framing === 'chunked')
      body = `${parts.body
        .filter((one) => one !== '')
        .map((one) => `${one.length.toString(16)}${parts.extension}${parts.lineEnd}${one}${parts.lineEnd}`)
        .join('')}0${parts.lineEnd}${parts.trailer}${parts.lineEnd}`;
    const fields = parts.fields.map((field) => field + parts.lineEnd).join('');
    return Object.assign(parts, {
      expected: all,
      text: `${parts.interim}HTTP/${parts.version} ${parts.status}${parts.lineEnd}${fields}${framing}${parts.lineEnd}${body}${parts.rest}`,
    });
  });

test('property: where a response is split changes nothing', () => {
  fc.assert(
    fc.property(
      response,
      fc.array(fc.nat({ max: 400 }), { maxLength: 12 }),
      fc.boolean(),
      ({ text }, at, close) => {
        const cuts = at.map((cut) => Math.min(cut, text.length));
        const whole = parse(text, { close });
        expect(parse(text, { cuts, close })).toEqual(whole);
        const every = Array.from({ length: text.length }, (_, index) => index);
        expect(parse(text, { cuts: every, close })).toEqual(whole);
      },
    ),
    { numRuns: 500 },
  );
});

test('property: a right response is read as it was written', () => {
  fc.assert(
    fc.property(
      response.filter(
        ({ fields, framing }) =>
          !fields.some((field) => field === 'bad' || field === ' fold') &&
          !['both', 'short'].includes(framing),
      ),
      ({ text, expected, framing, status, rest }) => {
        const outcome = parse(text, { close: true });
        expect(outcome).toMatchObject({ error: null, ended: true, status: Number(status.slice(0, 3)) });
        if (status.startsWith('204')) expect(outcome.body).toBe('');
        else expect(outcome.body).toBe(framing === 'close' ? expected + rest : expected);
      },
    ),
    { numRuns: 500 },
  );
});

test('property: of garbage comes a ProtocolError or silence, at any split', () => {
  const noise = fc.oneof(
    latin1,
    latin1.map((text) => `HTTP/1.1 200 OK\r\n${text}\r\n\r\n`),
    latin1.map((text) => `${OK}Transfer-Encoding: chunked\r\n\r\n${text}`),
    fc
      .array(
        fc.constantFrom(
          'HTTP/1.1',
          ' ',
          '200',
          '\r',
          '\n',
          '\r\n',
          ':',
          'content-length',
          'transfer-encoding',
          'chunked',
          '5',
          'f',
          ';',
          '\0',
          'x',
        ),
        { maxLength: 40 },
      )
      .map((parts) => parts.join('')),
    fc.tuple(response, fc.nat(), fc.nat({ max: 255 })).map(([{ text }, at, code]) => {
      const index = at % text.length;
      return text.slice(0, index) + String.fromCharCode(code) + text.slice(index + 1);
    }),
  );
  fc.assert(
    fc.property(noise, fc.array(fc.nat({ max: 200 }), { maxLength: 8 }), (text, at) => {
      const cuts = at.map((cut) => Math.min(cut, text.length));
      // `parse` itself fails on any other exception.
      expect(parse(text, { cuts, close: true })).toEqual(parse(text, { close: true }));
    }),
    { numRuns: 2_000 },
  );
});

/** A head read line by line with regular expressions: the plain twin of `parseHead`. Null: refused. */
function parseHeadPlainly(head: string): { status: number; fields: [string, string][] } | null {
  const lines = head.split(/\r?\n/);
  const status = /^HTTP\/1\.\d ([1-9]\d\d)(?: .*)?$/s.exec(lines[0] ?? '')?.[1];
  if (status === undefined || /\r(?!\n)|\0/.test(head)) return null;
  const fields: [string, string][] = [];
  for (const line of lines.slice(1, -2)) {
    const [, name, value = ''] = /^([!#$%&'*+\-.^_`|~0-9a-zA-Z]+):[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
    if (name === undefined) return null;
    fields.push([name.toLowerCase(), value]);
  }
  return { status: Number(status), fields };
}

test('property: a head reads as by its plain twin', () => {
  const piece = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom('x-a: 1', 'X-B:2', 'x-c:', 'x_d:\t e \t', 'x-a:: ', "!#$%&'*+-.^_`|~9: z"),
    },
    { weight: 1, arbitrary: latin1.filter((text) => !/[\n]/.test(text) && text !== '' && text !== '\r') },
  );
  const heads = fc.record({
    first: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.0 404', 'HTTP/1.1 299 \xe9 x') },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'HTTP/1.1 20 OK',
          'HTTP/1.1 200OK',
          'HTTP/1.1 200 a\rb',
          'HTTP/1.1 200 \0',
        ),
      },
    ),
    fields: fc.array(fc.tuple(piece, lineEnd), { maxLength: 6 }),
    ends: fc.tuple(lineEnd, lineEnd),
  });
  fc.assert(
    fc.property(heads, ({ first, fields, ends }) => {
      const text = `${first}${ends[0]}${fields.map(([field, end]) => field + end).join('')}${ends[1]}`;
      const plain = parseHeadPlainly(text);
      const bytes = Buffer.from(`junk${text}more\r\n`, 'latin1');
      expect(findHeadEnd(bytes, 4, bytes.length)).toBe(4 + text.length);
      if (plain === null) {
        expect(() => parseHead(bytes, 4, 4 + text.length)).toThrow(ProtocolError);
        return;
      }
      const { status, headers } = parseHead(bytes, 4, 4 + text.length);
      expect(status).toBe(plain.status);
      for (const [name] of plain.fields)
        expect(headers.all(name)).toEqual(
          plain.fields.filter(([other]) => other === name).map(([, value]) => value),
        );
    }),
    { numRuns: 2_000 },
  );
});
