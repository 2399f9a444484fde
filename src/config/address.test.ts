import { expect, test } from 'bun:test';
import { isWildcard, localAuthority } from './address.ts';

test.each([
  ['0.0.0.0', '127.0.0.1:8080'],
  ['0', '127.0.0.1:8080'],
  ['::', '127.0.0.1:8080'],
  ['[::]', '127.0.0.1:8080'],
  ['0:0:0:0:0:0:0:0', '127.0.0.1:8080'],
  ['::ffff:0.0.0.0', '127.0.0.1:8080'],
  ['127.0.0.1', '127.0.0.1:8080'],
  ['localhost', 'localhost:8080'],
  ['10.0.0.5', '10.0.0.5:8080'],
  ['::1', '[::1]:8080'],
  ['[::1]', '[::1]:8080'],
  ['FE80::1', '[fe80::1]:8080'],
  ['fe80::1%eth0', '[fe80::1%eth0]:8080'],
])('a gateway that binds %s is reached at %s', (host, authority) => {
  expect(localAuthority(host, 8080)).toBe(authority);
  expect(isWildcard(host)).toBe(authority.startsWith('127') && host !== '127.0.0.1');
});
