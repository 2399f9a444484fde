import { describe, expect, test } from 'bun:test';
import { selfReferences } from './self-reference.ts';

const MACHINE = { name: 'Box-7', addresses: ['127.0.0.1', '10.0.0.5', '::1', 'fd00::5', 'fe80::1%eth0'] };

function isItself(host: string, url: string, port = 8080): boolean {
  const provider = {
    id: 'openai',
    baseUrl: url,
    accounts: [],
    models: [],
    streamUsage: null,
    promptCacheKey: null,
  };
  return selfReferences({ HOST: host, PORT: port }, [provider], () => MACHINE).length > 0;
}

describe('a base URL of the gateway itself', () => {
  test.each([
    ['0.0.0.0', 'http://127.0.0.1:8080/v1'],
    ['0.0.0.0', 'http://localhost:8080'],
    ['0.0.0.0', 'http://LOCALHOST:8080'],
    ['0.0.0.0', 'http://gateway.localhost:8080/v1'],
    ['0.0.0.0', 'http://127.9.9.9:8080'],
    ['0.0.0.0', 'http://0.0.0.0:8080'],
    ['0.0.0.0', 'http://0:8080'],
    ['0.0.0.0', 'http://2130706433:8080'],
    ['0.0.0.0', 'http://10.0.0.5:8080'],
    ['0.0.0.0', 'http://box-7:8080'],
    ['0.0.0.0', 'https://localhost:8080'],
    ['::', 'http://[::1]:8080'],
    ['::', 'http://[::]:8080'],
    ['::', 'http://127.0.0.1:8080'],
    ['::', 'http://[fd00:0::5]:8080'],
    ['[::]', 'http://10.0.0.5:8080'],
    ['127.0.0.1', 'http://127.0.0.1:8080'],
    ['127.0.0.1', 'http://localhost:8080'],
    ['127.0.0.1', 'http://0.0.0.0:8080'],
    ['::1', 'http://[::1]:8080'],
    ['::1', 'http://localhost:8080'],
    ['localhost', 'http://127.0.0.1:8080'],
    ['localhost', 'http://localhost:8080'],
    ['10.0.0.5', 'http://10.0.0.5:8080'],
    ['gateway.internal', 'http://gateway.internal:8080'],
  ])('bound to %s: %s is', (host, url) => {
    expect(isItself(host, url)).toBe(true);
  });

  test.each([
    ['0.0.0.0', 'http://127.0.0.1:8081'],
    ['0.0.0.0', 'http://10.0.0.6:8080'],
    ['0.0.0.0', 'http://[::1]:8080'],
    ['0.0.0.0', 'http://localhost.example.com:8080'],
    ['0.0.0.0', 'http://127.example.com:8080'],
    ['0.0.0.0', 'https://api.openai.com/v1'],
    ['127.0.0.1', 'http://10.0.0.5:8080'],
    ['127.0.0.1', 'http://[::1]:8080'],
    ['127.0.0.1', 'http://127.0.0.2:8080'],
    ['localhost', 'http://127.0.0.2:8080'],
    ['10.0.0.5', 'http://127.0.0.1:8080'],
    ['10.0.0.5', 'http://localhost:8080'],
  ])('bound to %s: %s is not', (host, url) => {
    expect(isItself(host, url)).toBe(false);
  });

  test('ports that a URL does not name count, and a port that is not known yet does not', () => {
    expect(isItself('0.0.0.0', 'http://localhost/v1', 80)).toBe(true);
    expect(isItself('0.0.0.0', 'https://localhost/v1', 443)).toBe(true);
    expect(isItself('0.0.0.0', 'http://localhost:0/v1', 0)).toBe(false);
  });
});
