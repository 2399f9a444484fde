import { handleAdmin } from '../admin/handle.ts';
import { adminTokenMatches } from '../admin/token.ts';
import { QuotaLedger } from '../billing/quota.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { openAiErrorBody } from '../errors/render.ts';
import type { SharedMemory } from '../shared/memory-map.ts';
import type { StorageClient } from '../storage/client.ts';
import type { AdminCall } from './messages.ts';

export interface AdminDeskOptions {
  readonly memory: SharedMemory;
  readonly token: string;
  /** `make dev`: calls from this machine need no token. */
  readonly trustLocal: boolean;
  readonly storage: () => StorageClient;
  readonly invalidateKey: (id: string) => Promise<void>;
  readonly reply: (worker: number, id: number, status: number, body: string) => void;
}

/** Answers the admin calls that proxy threads hand over: checks the token, asks storage, tells every thread. */
export class AdminDesk {
  readonly #options: AdminDeskOptions;
  readonly #money: QuotaLedger;

  constructor(options: AdminDeskOptions) {
    this.#options = options;
    this.#money = new QuotaLedger(options.memory, 0);
  }

  async handle(worker: number, call: AdminCall): Promise<void> {
    const { storage, invalidateKey, reply } = this.#options;
    if (!this.#allowed(call)) {
      const error = new GatewayError(
        'admin_token_invalid',
        'Admin calls need "Authorization: Bearer <admin token>" (ADMIN_TOKEN, or DATA_DIR/admin-token).',
      );
      reply(worker, call.id, error.spec.status, JSON.stringify(openAiErrorBody(error)));
      return;
    }
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

  #allowed(call: AdminCall): boolean {
    const { trustLocal, token } = this.#options;
    if (trustLocal && call.local && call.authorization === null) return true;
    const given = /^bearer +(.+)$/i.exec(call.authorization ?? '')?.[1] ?? '';
    return adminTokenMatches(given, token);
  }
}
