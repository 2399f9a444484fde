import { GatewayError } from '../errors/gateway-error.ts';
import type { HeaderFields } from '../http1/fields.ts';

const HOP = 'x-tokenrouter-hop';
/** Chains of gateways are legal, circles are not: nobody has more than these in a row. */
const MAX_HOPS = 4;

/**
 * Through how many gateways a request has come. Throws `loop_detected` beyond {@link MAX_HOPS}, and a 400 for what is no
 * number: read as 0 it could go round for ever. Of several fields the largest counts.
 */
export function hopsOf(fields: HeaderFields): number {
  if (fields.get(HOP) === null) return 0;
  let hops = 0;
  for (const value of fields.all(HOP)) {
    for (const one of value.split(',')) {
      const text = one.trim();
      if (text === '') continue;
      if (!/^\d+$/.test(text))
        throw new GatewayError('invalid_value', `${HOP} must be a whole number: gateways count with it.`, {
          param: HOP,
        });
      hops = Math.max(hops, Number(text));
    }
  }
  if (hops <= MAX_HOPS) return hops;
  throw new GatewayError(
    'loop_detected',
    `The request has passed through more than ${MAX_HOPS} gateways: one of them has itself, or one before it, for a vendor (base URLs).`,
  );
}

/** The field line that tells the next gateway. */
export const hopLine = (hops: number): string => `${HOP}: ${hops + 1}\r\n`;

/**
 * What the hops add to the identity of a call. A request that comes round again is another call: shared, it would wait for
 * itself. Most come from no gateway, and nothing is added.
 */
export const identityOf = (forwardedHeaders: string, hops: number): string =>
  hops === 0 ? forwardedHeaders : forwardedHeaders + hopLine(hops);
