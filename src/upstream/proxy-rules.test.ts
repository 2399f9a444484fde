import { expect, test } from 'bun:test';
import { ProxyRules } from './proxy-rules.ts';

const origin = (url: string) => {
  const { protocol, hostname, port } = new URL(url);
  const tls = protocol === 'https:';
  return {
    key: url,
    tls,
    host: hostname.replaceAll(/[[\]]/g, ''),
    port: port === '' ? (tls ? 443 : 80) : Number(port),
  };
};

test('each scheme has its own proxy, or none', () => {
  const both = new ProxyRules({ httpProxy: 'http://a:1', httpsProxy: 'https://u:p@b:2' });
  expect(both.proxyOf(origin('http://vendor'))).toBe('http://a:1/');
  expect(both.proxyOf(origin('https://vendor'))).toBe('https://u:p@b:2/');
  const one = new ProxyRules({ httpsProxy: ' b.example:3128 ' });
  expect(one.proxyOf(origin('http://vendor'))).toBeNull();
  expect(one.proxyOf(origin('https://vendor'))).toBe('http://b.example:3128/');
  for (const none of [{}, { httpProxy: '', httpsProxy: ' ' }, { httpProxy: undefined }])
    expect(new ProxyRules(none).any).toBe(false);
  expect(one.any).toBe(true);
});

test('loopback is always reached directly', () => {
  const rules = new ProxyRules({ httpProxy: 'a:1', httpsProxy: 'a:1' });
  for (const host of ['localhost', 'LOCALHOST', 'x.localhost', '127.0.0.1', '127.9.8.7', '[::1]'])
    for (const scheme of ['http', 'https'])
      expect([host, rules.proxyOf(origin(`${scheme}://${host}:8080`))]).toEqual([host, null]);
  for (const host of ['localhost.example.com', '127.example.com', '128.0.0.1', '[::2]'])
    expect([host, rules.proxyOf(origin(`http://${host}`))]).toEqual([host, 'http://a:1/']);
});

test('named hosts are reached directly', () => {
  const noProxy =
    'vendor.example, .dotted.example *.starred.example\tported.example:8443,10.0.0.1 [fd00::1]:8080,fd00::2';
  const rules = new ProxyRules({ httpProxy: 'a:1', httpsProxy: 'a:1', noProxy });
  const direct = (url: string): boolean => rules.proxyOf(origin(url)) === null;
  for (const url of [
    'https://vendor.example',
    'https://api.VENDOR.example:1',
    'https://dotted.example',
    'https://a.b.dotted.example',
    'https://x.starred.example',
    'https://ported.example:8443',
    'http://10.0.0.1:5',
    'http://[fd00::1]:8080',
    'http://[fd00::2]',
  ])
    expect([url, direct(url)]).toEqual([url, true]);
  for (const url of [
    'https://example',
    'https://notvendor.example',
    'https://vendor.example.com',
    'https://ported.example',
    'http://10.0.0.11',
    'http://110.0.0.1',
    'http://[fd00::1]',
    'http://[fd00::3]',
  ])
    expect([url, direct(url)]).toEqual([url, false]);
  const all = new ProxyRules({ httpProxy: 'a:1', noProxy: '*' });
  expect(all.proxyOf(origin('http://vendor'))).toBeNull();
});

test('a proxy that cannot be used is refused by name, its password not repeated', () => {
  const make = (settings: ConstructorParameters<typeof ProxyRules>[0]) => () => new ProxyRules(settings);
  expect(make({ httpProxy: 'http://u:secret@:bad' })).toThrow(/^HTTP_PROXY is not a URL$/);
  expect(make({ httpsProxy: 'socks5://u:secret@x:1' })).toThrow(
    /^HTTPS_PROXY must be an http: or https: URL$/,
  );
});
