import { describe, expect, test } from 'bun:test';
import { CHUNKED } from './message-head.ts';
import { ProtocolError } from './protocol-error.ts';
import { HostError, parseRequestHead, type RequestHead } from './request-head.ts';

const read = (text: string): RequestHead => {
  const bytes = Buffer.from(`before${text}behind`, 'latin1');
  return parseRequestHead(bytes, 6, bytes.length - 6);
};
const head = (fields: string, line = 'POST /v1/x HTTP/1.1'): string => `${line}\r\nHost: a\r\n${fields}\r\n`;

describe('a request head', () => {
  test('is read: method, path without the query, fields, length', () => {
    const request = read(head('X-A:  b c \r\nContent-LENGTH: 12\r\n', 'POST /v1/x?y=/z HTTP/1.1'));
    expect(request).toMatchObject({
      method: 'POST',
      path: '/v1/x',
      bodyLength: 12,
      keepAlive: true,
      http10: false,
    });
    expect(request.fields.get('x-a')).toBe('b c');
    expect(read(head('')).bodyLength).toBe(0);
    expect(read(head('Transfer-Encoding: chunked\r\n')).bodyLength).toBe(CHUNKED);
  });

  test('takes the absolute form and the asterisk', () => {
    expect(read(head('', 'GET http://h:1/p?q HTTP/1.1')).path).toBe('/p');
    expect(read(head('', 'GET https://h HTTP/1.1')).path).toBe('/');
    expect(read(head('', 'OPTIONS * HTTP/1.1')).path).toBe('*');
    expect(() => read(head('', 'CONNECT h:443 HTTP/1.1'))).toThrow('malformed request target');
  });

  test('says who closes', () => {
    expect(read(head('Connection: close\r\n')).keepAlive).toBe(false);
    expect(read(head('Connection: x, Close\r\n')).keepAlive).toBe(false);
    expect(read(head('Connection: keep-alive\r\n')).keepAlive).toBe(true);
    expect(read('GET / HTTP/1.0\r\n\r\n')).toMatchObject({ keepAlive: false, http10: true });
    expect(read('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n').keepAlive).toBe(true);
  });

  test.each([
    'GET  / HTTP/1.1',
    'GET / HTTP/1.1 ',
    ' GET / HTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET /a#b HTTP/1.1',
    'GET /\u00e4 HTTP/1.1',
    'GET /\u007f HTTP/1.1',
    'GET / HTTP/2.0',
    'GET / HTTP/1.2',
    'GET / http/1.1',
    'GET /',
    'G@T / HTTP/1.1',
    `${'G'.repeat(33)} / HTTP/1.1`,
    'GET relative HTTP/1.1',
  ])('refuses the request line %j', (line) => {
    expect(() => read(head('', line))).toThrow(ProtocolError);
  });

  test.each([
    'A : b\r\n',
    ': b\r\n',
    ' folded\r\n',
    'A: b\nC: d\r\n',
    'A: b\rC: d\r\n',
    'A: \u0000\r\n',
    'A: \u0001\r\n',
    'A: \u007f\r\n',
    'Content-Length: +1\r\n',
    'Content-Length: 1, 2\r\n',
    'Content-Length: 1\r\nContent-Length: 2\r\n',
    'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: gzip, chunked\r\n',
    'Transfer-Encoding: chunked, chunked\r\n',
  ])('refuses the fields %j', (fields) => {
    expect(() => read(head(fields))).toThrow(ProtocolError);
  });

  test('ends in CR LF', () => {
    expect(() => read('GET / HTTP/1.1\r\nHost: a\r\n\n')).toThrow(ProtocolError);
  });

  test('equal lengths are one, a 1.0 client has no chunks', () => {
    expect(read(head('Content-Length: 2\r\nContent-Length: 2\r\n')).bodyLength).toBe(2);
    expect(() => read('POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n')).toThrow(ProtocolError);
  });

  test('Host names one host', () => {
    for (const host of ['a', 'a:80', '[::1]:80', 'a_b.c', 'xn--a', 'a:'])
      expect(read(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).path).toBe('/');
    for (const host of ['', 'a b', 'a@b', 'http://a', '[::1', 'a:99999', 'a:b', '%zz', 'a/b'])
      expect(() => read(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toThrow(HostError);
    expect(() => read('GET / HTTP/1.1\r\n\r\n')).toThrow(HostError);
    expect(() => read('GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n')).toThrow(HostError);
    expect(() => read('GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nHOST: b\r\n\r\n')).toThrow(HostError);
  });
});

test('an empty Host field is refused by a thread that has seen no other yet', () => {
  const program = `
    const { parseRequestHead } = await import(${JSON.stringify(new URL('./request-head.ts', import.meta.url).pathname)});
    const bytes = Buffer.from('GET / HTTP/1.1\\r\\nHost: \\r\\n\\r\\n');
    try { parseRequestHead(bytes, 0, bytes.length); console.log('taken'); } catch (error) { console.log(error.message); }`;
  const { stdout } = Bun.spawnSync([process.execPath, '-e', program]);
  expect(stdout.toString()).toBe('The Host header does not name a host.\n');
});
