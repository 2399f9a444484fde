import { expect, test } from 'bun:test';
import { MAX_HEAD_BYTES, parse, type Outcome } from './testing/parse.ts';
import { ResponseParser } from './response-parser.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

test('body length: sized, chunked, until close, none', () => {
  expect(parse(`${OK}Content-Length: 5\r\n\r\nhello`)).toMatchObject({
    status: 200,
    body: 'hello',
    ended: true,
    keepAlive: true,
    unused: 0,
  });
  const chunked = `${OK}Transfer-Encoding: Chunked\r\n\r\n`;
  expect(parse(`${chunked}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`)).toMatchObject({
    body: 'hello world',
    ended: true,
    keepAlive: true,
  });
  expect(parse(`${OK}\r\nhello`)).toMatchObject({ body: 'hello', ended: false });
  expect(parse(`${OK}\r\nhello`, { close: true })).toMatchObject({
    body: 'hello',
    ended: true,
    keepAlive: false,
  });
  for (const status of ['204 No Content', '304 Not Modified'])
    for (const field of ['', 'Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n'])
      expect(parse(`HTTP/1.1 ${status}\r\n${field}\r\n`)).toMatchObject({
        body: '',
        ended: true,
        keepAlive: true,
      });
  expect(parse(`${OK}Content-Length: 5\r\n\r\n`, { bodiless: true })).toMatchObject({
    ended: true,
    keepAlive: true,
  });
  expect(parse(`${OK}Content-Length: 0\r\n\r\n`)).toMatchObject({ body: '', ended: true, keepAlive: true });
});

test('a response that is cut off has not ended', () => {
  const whole = [
    `${OK}Content-Length: 5\r\n\r\nhello`,
    `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n`,
  ];
  for (const text of whole)
    for (let length = 0; length < text.length; length++)
      expect(parse(text.slice(0, length), { close: true })).toMatchObject({ ended: false, error: null });
});

test('interim answers are skipped, but not without end', () => {
  const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nx-a: no\r\n\r\n';
  expect(parse(`${interim}${OK}x-a: yes\r\nContent-Length: 2\r\n\r\nok`)).toMatchObject({
    status: 200,
    fields: [null, 'yes', null, null],
    body: 'ok',
  });
  expect(parse('HTTP/1.1 101 Switching Protocols\r\n\r\n').error).toBe('unexpected protocol switch');
  expect(parse('HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)).error).toBeNull();
  expect(parse('HTTP/1.1 102 Processing\r\n\r\n'.repeat(101)).error).toBe('too many interim responses');
});

test('keep-alive', () => {
  const kept = (head: string): boolean => parse(`${head}Content-Length: 0\r\n\r\n`).keepAlive;
  expect(kept('HTTP/1.1 200 OK\r\n')).toBe(true);
  expect(kept('HTTP/1.1 200 OK\r\nConnection: close\r\n')).toBe(false);
  expect(kept('HTTP/1.1 200 OK\r\nconnection: Foo , CLOSE\r\n')).toBe(false);
  expect(kept('HTTP/1.1 200 OK\r\nConnection: foo\r\nConnection: close\r\n')).toBe(false);
  expect(kept('HTTP/1.1 200 OK\r\nConnection: closer, not-close\r\n')).toBe(true);
  expect(kept('HTTP/1.0 200 OK\r\n')).toBe(false);
  expect(kept('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n')).toBe(true);
  expect(kept('HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n')).toBe(false);
  // RFC 9112 §6.1: a transfer coding in HTTP/1.0 makes the framing suspect.
  const old =
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n';
  expect(parse(old)).toMatchObject({ body: 'ok', ended: true, keepAlive: false });
  expect(parse('HTTP/1.1 204 No\r\nConnection: close\r\n\r\n')).toMatchObject({
    ended: true,
    keepAlive: false,
  });
});

test('content-length: digits alone, repeated only if equal', () => {
  const lengths = (value: string): Outcome => parse(`${OK}Content-Length: ${value}\r\n\r\nhello`);
  for (const good of ['5', '5, 5', '5,5 , 5', '5\r\nContent-Length: 5', '005', '  5\t'])
    expect(lengths(good)).toMatchObject({ body: 'hello', ended: true });
  for (const bad of [
    '',
    ' ',
    '+5',
    '-5',
    '5.0',
    '0x5',
    '5 5',
    '5,',
    ',5',
    '5,6',
    '5\r\nContent-Length: 6',
    '05, 5',
    '1e1',
    '9999999999999999',
    '٥',
  ])
    expect([bad, lengths(bad).error]).toEqual([bad, 'malformed content-length']);
});

test('transfer-encoding: chunked alone, and no content-length beside it', () => {
  for (const bad of [
    'gzip',
    'gzip, chunked',
    'chunked, chunked',
    'chunked, identity',
    'identity',
    '',
    'chunked;q=1',
    'xchunked',
  ])
    expect([bad, parse(`${OK}Transfer-Encoding: ${bad}\r\n\r\n`).error]).toEqual([
      bad,
      'unknown transfer-encoding',
    ]);
  for (const fields of [
    'Transfer-Encoding: chunked\r\nContent-Length: 5',
    'Content-Length: 5\r\ntransfer-encoding: chunked',
    'Transfer-Encoding: chunked\r\nContent-Length:',
  ])
    expect(parse(`${OK}${fields}\r\n\r\n`).error).toBe('both transfer-encoding and content-length');
});

test('chunks: extensions, trailers, bare LF, large and small sizes', () => {
  const chunked = (text: string): Outcome => parse(`${OK}Transfer-Encoding: chunked\r\n\r\n${text}`);
  for (const good of [
    '5;ext\r\nhello\r\n0;last="x;y"\r\n\r\n',
    '5 ; a=b\r\nhello\r\n0\t\r\n\r\n',
    '5\nhello\n0\n\n',
    '0005\r\nhello\r\n000\r\n\r\n',
    '5\r\nhello\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\n',
    '5\r\nhello\r\n0\r\nX-Trailer: 1\n\n',
    '1\r\nh\r\n4\r\nello\r\n0\r\n\r\n',
  ])
    expect([good, chunked(good).body, chunked(good).ended]).toEqual([good, 'hello', true]);
  expect(chunked('A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n').body.length).toBe(20);
  for (const bad of [
    '\r\n',
    ';x\r\n',
    '-5\r\nhello',
    '+5\r\nhello',
    '0x5\r\nhello',
    'g\r\n',
    '5 5\r\n',
    '5\rx',
    '5;a\rb\r\n',
    ' 5\r\n',
    '5hello',
    '1\r\nx\r\n\r\n',
  ])
    expect([bad, chunked(bad).error]).toEqual([bad, 'malformed chunk size']);
  for (const bad of ['5\r\nhello!\r\n', '5\r\nhello\rx', '5\r\nhello0\r\n'])
    expect([bad, chunked(bad).error]).toEqual([bad, 'chunk is longer than its size']);
  expect(chunked('ffffffffffffffff\r\n').error).toBe('chunk size is too large');
  expect(chunked('1fffffffffffff\r\nx')).toMatchObject({ error: null, body: 'x' });
  expect(chunked('20000000000000\r\n').error).toBe('chunk size is too large');
  expect(chunked('0\r\n\rx').error).toBe('malformed trailer');
  const tooLong = 'chunk size line or trailers are too long';
  expect(chunked(`5;${'x'.repeat(5_000)}`).error).toBe(tooLong);
  expect(chunked('0'.repeat(5_000)).error).toBe(tooLong);
  expect(chunked(`0\r\n${'a: b\r\n'.repeat(1_000)}`).error).toBe(tooLong);
});

test('status line', () => {
  for (const good of [
    'HTTP/1.1 200 OK',
    'HTTP/1.1 200',
    'HTTP/1.1 200 ',
    'HTTP/1.0 200 \xe9',
    'HTTP/1.9 200 x',
  ])
    expect(parse(`${good}\r\nContent-Length: 0\r\n\r\n`)).toMatchObject({ status: 200, ended: true });
  expect(parse('HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n').status).toBe(999);
  for (const bad of [
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.x 200 OK',
    'HTTP/1.1 abc',
  ])
    expect([bad, parse(`${bad}\r\n\r\n`).error]).toEqual([bad, 'malformed status line']);
  for (const bad of [
    'http/1.1 200 OK',
    'HTTP/2 200 OK',
    'ICY 200 OK',
    ' HTTP/1.1 200 OK',
    '\r\nHTTP/1.1 200 OK',
  ])
    expect([bad, parse(`${bad}\r\n\r\n`).error]).toEqual([bad, 'not an HTTP/1 response']);
});

test('fields: white space around values, bare LF, nothing folded, no control bytes', () => {
  expect(
    parse(`${OK}Content-Type:a\r\nX-A: \t b c \t\r\nx-empty:\r\nContent-Length: 0\r\n\r\n`).fields,
  ).toEqual(['a', 'b c', '', null]);
  expect(parse('HTTP/1.1 200 OK\nx-a: 1\nContent-Length: 2\n\nok')).toMatchObject({
    fields: [null, '1', null, null],
    body: 'ok',
  });
  for (const end of ['\n\n', '\r\n\n', '\n\r\n', '\r\n\r\n'])
    expect(parse(`HTTP/1.1 200 OK\r\nContent-Length: 2${end}ok`)).toMatchObject({ body: 'ok', ended: true });
  // Bytes that `trim` would take for white space are part of a value.
  expect(parse(`${OK}x-a: \xa0b\x85\r\nContent-Length: 0\r\n\r\n`).fields[1]).toBe('\xa0b\x85');
  for (const bad of [
    'x-a : 1',
    ' x-a: 1',
    '\tx-a: 1',
    'x-a: 1\r\n folded',
    'x-a: 1\r\n\tfolded',
    'x-a',
    ': 1',
    'x a: 1',
    'x\xe9: 1',
    '\x00: 1',
    'x-a\r: 1',
  ])
    expect([bad, parse(`${OK}${bad}\r\n\r\n`).error]).toEqual([bad, 'malformed header field']);
  for (const bad of ['x-a: 1\r2', 'x-a: \x00', 'x-a: 1\r\r'])
    expect([bad, parse(`${OK}${bad}\r\n\r\n`).error]).toEqual([bad, 'a bare CR or a zero byte in the head']);
});

test('a head is bounded, in one piece or many', () => {
  const head = (bytes: number): string => {
    const frame = `${OK}x-a: \r\nContent-Length: 0\r\n\r\n`;
    return frame.replace('x-a: ', `x-a: ${'y'.repeat(bytes - frame.length)}`);
  };
  for (const cuts of [[], [1], [1_000], [2_047], [2_048], Array.from({ length: 2_100 }, (_, at) => at)]) {
    expect(parse(head(MAX_HEAD_BYTES), { cuts })).toMatchObject({ error: null, ended: true });
    expect(parse(head(MAX_HEAD_BYTES + 1), { cuts }).error).toBe('response head is too large');
    expect(parse(`${OK}${'x-a: y\r\n'.repeat(1_000)}`, { cuts }).error).toBe('response head is too large');
  }
});

test('bytes behind a response are left', () => {
  expect(parse(`${OK}Content-Length: 2\r\n\r\nok${OK}`).unused).toBe(OK.length);
  expect(parse(`${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nx`).unused).toBe(1);
  expect(parse('HTTP/1.1 204 No\r\n\r\nxyz').unused).toBe(3);
});

test('a parser is used again', () => {
  const parser = new ResponseParser(MAX_HEAD_BYTES);
  const bytes = Buffer.from(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`);
  for (let count = 1; count <= 3; count++) {
    const told: string[] = [];
    const events = {
      onHead: () => told.push('head'),
      onBody: () => told.push('body'),
      onEnd: () => told.push('end'),
    };
    parser.reset(events, false);
    for (const byte of bytes) parser.push(Buffer.from([byte]));
    expect(told).toEqual(['head', 'body', 'body', 'end']);
    expect(parser.done && parser.keepAlive).toBe(true);
    expect(parser.push(bytes)).toBe(0);
    expect(parser.close()).toBe(false);
  }
});

test('a head fed byte by byte is searched once, not once per byte', () => {
  const parser = new ResponseParser(8 * 1024 * 1024);
  let status = 0;
  parser.reset({ onHead: (code) => (status = code), onBody() {}, onEnd() {} }, false);
  parser.push(Buffer.from(`${OK}x-long: ${'y'.repeat(6_000_000)}`));
  const byte = Buffer.from('y');
  // Searching what came before, or the free part of the buffer behind, would look at 2 TB, past any deadline.
  for (let count = 0; count < 400_000; count++) parser.push(byte);
  parser.push(Buffer.from('\r\n\r\n'));
  expect(status).toBe(200);
}, 20_000);
