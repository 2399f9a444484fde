import { describe, expect, test } from 'bun:test';
import { StorageTimeout } from '../storage/client.ts';
import { keyRecord } from '../keys/testing/keys.ts';
import { handleAdmin, type AdminServices } from './handle.ts';

const KEY = keyRecord({ id: '3f0e0f7e-6c1f-4d6e-9b7a-0d8a4f0c2b11' });

describe('a change that storage does not answer in time', () => {
  // It may have been stored, or be stored later: threads that went on with the old record would do so for minutes.
  for (const [method, body] of [
    ['PATCH', '{"quota_usd":0}'],
    ['DELETE', ''],
  ] as const) {
    test(`${method}: threads forget the old record nonetheless`, async () => {
      const changed: string[] = [];
      let late = (): void => {};
      const services: AdminServices = {
        keys: {
          createKey: () => Promise.resolve(KEY),
          listKeys: () => Promise.resolve([KEY]),
          findKeyById: () => Promise.resolve(KEY),
          updateKey: (_id, _change, onLate) => {
            late = onLate;
            return Promise.reject(new StorageTimeout('storage did not answer update within 5000 ms'));
          },
        },
        money: { spent: () => 0, held: () => 0, lastUsedMs: () => 0 },
        onKeyChanged: (id) => {
          changed.push(id);
          return Promise.resolve();
        },
        now: () => 2_000,
        randomBytes: (count) => new Uint8Array(count),
      };
      const answer = await handleAdmin(
        { method, path: `/admin/api-keys/${KEY.id}`, body: new TextEncoder().encode(body) },
        services,
      );
      expect(answer.status).toBe(503);
      expect(JSON.stringify(answer.body)).toContain('not known whether the change was made');
      expect(changed).toEqual([KEY.id]);
      late();
      expect(changed).toEqual([KEY.id, KEY.id]);
    });
  }
});
