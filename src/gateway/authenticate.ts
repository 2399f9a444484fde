import { GatewayError } from '../errors/gateway-error.ts';
import type { HeaderFields } from '../http1/fields.ts';
import type { KeyRecord } from '../storage/key-record.ts';
import type { KeyCache } from './key-cache.ts';

/** `Authorization: Bearer …` or `x-api-key`; null when neither is there. */
export function presentedKey(fields: HeaderFields): string | null {
  const authorization = fields.get('authorization');
  // Any number of spaces may follow the scheme, whose case does not matter (RFC 9110 §11.1, §11.4).
  if (authorization !== null && (authorization.startsWith('Bearer ') || /^bearer /i.test(authorization)))
    return authorization.slice(7).trim();
  return fields.get('x-api-key');
}

/** The client's key, or a 401. Synchronous when the key is cached, so that the common case costs no promise. */
export function authenticate(
  fields: HeaderFields,
  keys: KeyCache,
  nowMs: number,
): KeyRecord | Promise<KeyRecord> {
  const key = presentedKey(fields);
  if (key === null || key === '') {
    throw new GatewayError(
      'invalid_api_key',
      'No API key: send it as "Authorization: Bearer sk-tr-…" or in the x-api-key header.',
    );
  }
  const found = keys.lookup(key);
  return found instanceof Promise ? found.then((record) => checked(record, nowMs)) : checked(found, nowMs);
}

/** Throws a 403 for a model that the key may not use. */
export function checkModel(key: KeyRecord, model: string): void {
  if (key.allowedModels === null || key.allowedModels.includes(model)) return;
  throw new GatewayError('model_not_allowed', `This API key may not use the model '${model}'.`, {
    param: 'model',
  });
}

function checked(record: KeyRecord | null, nowMs: number): KeyRecord {
  if (record === null) throw new GatewayError('invalid_api_key', 'This API key is not known here.');
  if (record.revokedAt !== null) throw new GatewayError('invalid_api_key', 'This API key has been revoked.');
  if (record.expiresAt !== null && record.expiresAt <= nowMs) {
    throw new GatewayError('invalid_api_key', 'This API key has expired.');
  }
  return record;
}
