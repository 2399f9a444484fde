import { GatewayError } from '../errors/gateway-error.ts';
import type { HeaderFields } from '../http1/fields.ts';
import type { KeyRecord } from './key-record.ts';
import type { KeyCache, KnownKey } from './key-cache.ts';

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
): KnownKey | Promise<KnownKey> {
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

/**
 * The key of a request that has waited since it was looked up (for its body, for a leader): as it is now, or a 401 for one
 * that was revoked or has expired meanwhile. To be asked after every wait, because once a DELETE is answered no call of the
 * key may start. Synchronous unless this very key has changed.
 *
 * @param generation of the cache, when the key was looked up
 */
export function authenticateAgain(
  key: KnownKey,
  generation: number,
  keys: KeyCache,
  nowMs: number,
): KnownKey | Promise<KnownKey> {
  const found = generation === keys.generation ? key : keys.renew(key);
  return found instanceof Promise ? found.then((record) => checked(record, nowMs)) : checked(found, nowMs);
}

/** Throws a 403 for a key that may not send bodies as they are. */
export function checkPassthrough(key: KeyRecord): void {
  if (!key.passthrough)
    throw new GatewayError('passthrough_not_allowed', 'This API key may not use byte-exact mode.');
}

/** Throws a 403 for a model that the key may not use. */
export function checkModel(key: KeyRecord, model: string): void {
  if (key.allowedModels === null || key.allowedModels.includes(model)) return;
  throw new GatewayError('model_not_allowed', `This API key may not use the model '${model}'.`, {
    param: 'model',
  });
}

function checked(record: KnownKey | null, nowMs: number): KnownKey {
  if (record === null) throw new GatewayError('invalid_api_key', 'This API key is not known here.');
  if (record.revokedAt !== null) throw new GatewayError('invalid_api_key', 'This API key has been revoked.');
  if (record.expiresAt !== null && record.expiresAt <= nowMs) {
    throw new GatewayError('invalid_api_key', 'This API key has expired.');
  }
  return record;
}
