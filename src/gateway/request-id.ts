import type { HeaderFields } from '../http1/fields.ts';

const PREFIX = `tr-${crypto.randomUUID().slice(0, 8)}-`;
let count = 0;

/** The client's own id when it is sane, else a new one: thread prefix and a counter, no randomness per request. */
export function requestIdOf(fields: HeaderFields | null): string {
  const given = fields?.get('x-request-id');
  if (typeof given === 'string' && given.length <= 128 && /^[\x21-\x7e]+$/.test(given)) return given;
  count = (count + 1) >>> 0;
  return PREFIX + count.toString(36);
}
