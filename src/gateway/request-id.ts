const PREFIX = crypto.randomUUID().slice(0, 8);
let count = 0;

/** The client's own id when it is sane, else a new one: thread prefix and a counter, no randomness per request. */
export function requestIdOf(headers: Headers): string {
  const given = headers.get('x-request-id');
  if (given !== null && given.length <= 128 && /^[\x21-\x7e]+$/.test(given)) return given;
  count = (count + 1) >>> 0;
  return `tr-${PREFIX}-${count.toString(36)}`;
}
