import { handleAdmin } from '../admin/handle.ts';
import { QuotaHolds } from '../limits/quota.ts';
import type { SharedMemory } from '../shared/memory-map.ts';
import type { StorageClient } from '../storage/client.ts';
import type { AdminCall } from '../threads/messages.ts';

export interface AdminServiceOptions {
  readonly memory: SharedMemory;
  readonly storage: () => StorageClient;
  readonly invalidateKey: (id: string) => Promise<void>;
  readonly reply: (worker: number, id: number, status: number, body: string) => void;
}

/** Answers the admin calls that proxy threads let through: asks storage, tells every thread. */
export class AdminService {
  readonly #options: AdminServiceOptions;
  readonly #money: QuotaHolds;

  constructor(options: AdminServiceOptions) {
    this.#options = options;
    this.#money = new QuotaHolds(options.memory, 0);
  }

  async handle(worker: number, call: AdminCall): Promise<void> {
    const { storage, invalidateKey, reply } = this.#options;
    const answer = await handleAdmin(
      { method: call.method, path: call.path, body: call.body },
      {
        keys: storage(),
        money: this.#money,
        onKeyChanged: invalidateKey,
        now: () => Date.now(),
        randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      },
    );
    reply(worker, call.id, answer.status, JSON.stringify(answer.body));
  }
}
