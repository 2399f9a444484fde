import { GatewayError } from '../../errors/gateway-error.ts';
import type { JsonDocument } from '../../std/json/document.ts';
import { KIND_NAMES } from '../fields.ts';

/** The vendor's dialect has no word for this. `reason` is a sentence. */
export function unsupported(param: string, reason: string): GatewayError {
  return new GatewayError('unsupported_value', `Unsupported value for '${param}': ${reason}`, { param });
}

/** The value cannot be. `reason` is a sentence. */
export function invalid(param: string, reason: string): GatewayError {
  return new GatewayError('invalid_value', `Invalid value for '${param}': ${reason}`, { param });
}

export function missing(param: string): GatewayError {
  return new GatewayError('missing_field', `Missing required parameter: '${param}'.`, { param });
}

/** `expected` in words: `a string`. */
export function wrongType(
  document: JsonDocument,
  node: number,
  param: string,
  expected: string,
): GatewayError {
  return new GatewayError(
    'invalid_type',
    `Invalid type for '${param}': expected ${expected}, but got ${KIND_NAMES[document.kind(node)]} instead.`,
    { param },
  );
}
