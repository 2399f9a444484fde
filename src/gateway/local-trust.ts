import type { Incoming } from '../server/incoming.ts';

const LOOPBACK_ADDRESS = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const LOOPBACK_HOST = /^(localhost|127\.0\.0\.1)(:\d+)?$/i;

/**
 * Fields that pages and proxies add: a page's origin, and what a proxy or a CDN says of whom it speaks for. Names in lower
 * case; some proxies take `_` for `-`.
 */
const PASSED_ON = new RegExp(
  `^(?:${[
    'origin',
    'referer',
    'sec-.*',
    'forwarded',
    'via',
    'max-forwards',
    'cdn-loop',
    'proxy-.*',
    '(?:x-)?forwarded-.*',
    'x-(?:forward|proxy|original|real|client|cluster|remote|envoy|amzn|azure|arr|appengine|vercel|nf|varnish).*',
    'x-(?:host|scheme|ssl.*|url-scheme|proto.*)',
    '(?:true-|fastly-|fly-|wl-proxy-)?client-ip',
    '(?:cf|fly|fastly|cloudfront|akamai|incap|x-akamai|x-amz|x-cdn)-.*',
  ].join('|')})$`,
);

/**
 * Whether a request was made on this machine, by no page and through no proxy, as far as a request can tell: what `make dev`
 * trusts. nginx's own way to pass requests on is HTTP/1.0 with `Connection: close` and a Host of the gateway's; a proxy
 * that rewrites nothing cannot be seen.
 */
export function isLocal(request: Incoming): boolean {
  const { absolute, fields, http10, keepAlive, remoteAddress } = request;
  return (
    LOOPBACK_ADDRESS.test(remoteAddress) &&
    LOOPBACK_HOST.test(fields.get('host') ?? '') &&
    // Targets with a host in them are for proxies, and what they name is not what Host says.
    !absolute &&
    !http10 &&
    keepAlive &&
    !fields.names().some((name) => PASSED_ON.test(name.replaceAll('_', '-')))
  );
}
