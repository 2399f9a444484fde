import type { ErrorCode } from '../../errors/catalogue.ts';
import { PeerHub } from '../../shared/peer-hub.ts';
import type { AnswerConsumer } from '../shared-response.ts';
import { ClaimTable } from '../claim-table.ts';
import { DedupTable, MAX_ATTEMPTS, type Lead } from '../dedup-table.ts';
import { ReplayBudget } from '../replay-budget.ts';

/** To a thread of the model. */
export type ToModel =
  | {
      readonly t: 'start';
      readonly incarnation: number;
      readonly worker: number;
      readonly claims: Uint32Array;
      readonly budget: Float64Array;
      readonly peers: readonly { readonly incarnation: number; readonly port: MessagePort }[];
    }
  | { readonly t: 'peer'; readonly incarnation: number; readonly port: MessagePort }
  | { readonly t: 'peer-dead'; readonly incarnation: number }
  | { readonly t: 'ask'; readonly request: number; readonly hash: Uint8Array }
  | { readonly t: 'answer'; readonly call: number; readonly text: string };

/** From a thread of the model; `incarnation` tells its messages from a predecessor's. */
export type FromModel = { readonly incarnation: number } & (
  | { readonly t: 'ready' }
  | { readonly t: 'looked-up'; readonly request: number }
  /** The upstream is called for a request. */
  | { readonly t: 'call'; readonly call: number; readonly request: number }
  | { readonly t: 'ended'; readonly request: number; readonly result: string }
  | { readonly t: 'unclaimed'; readonly reason: string }
);

declare const self: Worker;

const hub = new PeerHub();
let table: DedupTable;
let incarnation = 0;
const calls = new Map<number, Lead>();

type Body = FromModel extends infer Message
  ? Message extends unknown
    ? Omit<Message, 'incarnation'>
    : never
  : never;
const tell = (message: Body): void => postMessage({ ...message, incarnation });

/** One request: leads or follows, and looks up again after GONE, as the gateway's exchange does. */
class Request implements AnswerConsumer {
  readonly #id: number;
  readonly #hash: Uint8Array;
  #attempt = 0;
  #text = '';

  constructor(id: number, hash: Uint8Array) {
    this.#id = id;
    this.#hash = hash;
  }

  lookUp(): void {
    const found = table.acquire(this.#hash, this.#attempt++);
    if (found.role === 'leader') {
      calls.set(this.#id, found);
      found.answer.attach(this);
      tell({ t: 'call', call: this.#id, request: this.#id });
    } else found.answer.attach(this);
  }

  onHead(): void {}

  onBytes(chunk: Uint8Array): boolean {
    this.#text += Buffer.from(chunk).toString();
    return true;
  }

  onEnd(): void {
    tell({ t: 'ended', request: this.#id, result: `ok:${this.#text}` });
  }

  onError(code: ErrorCode): void {
    tell({ t: 'ended', request: this.#id, result: `${this.#text === '' ? 'error' : 'cut'}:${code}` });
  }

  onGone(last: boolean): void {
    if (last) this.#attempt = MAX_ATTEMPTS;
    this.lookUp();
  }
}

self.onmessage = (event: MessageEvent<ToModel>): void => {
  const message = event.data;
  switch (message.t) {
    case 'start':
      ({ incarnation } = message);
      table = new DedupTable({
        claims: new ClaimTable(message.claims, incarnation),
        peers: hub,
        budget: new ReplayBudget(message.budget, message.worker),
        ttlMs: 60_000,
        now: () => performance.now(),
        onUnclaimed: (reason) => tell({ t: 'unclaimed', reason }),
      });
      for (const peer of message.peers) hub.add(peer.incarnation, peer.port);
      tell({ t: 'ready' });
      break;
    case 'peer':
      hub.add(message.incarnation, message.port);
      break;
    case 'peer-dead':
      hub.dead(message.incarnation);
      break;
    case 'ask':
      new Request(message.request, message.hash).lookUp();
      tell({ t: 'looked-up', request: message.request });
      break;
    case 'answer': {
      const lead = calls.get(message.call);
      calls.delete(message.call);
      if (lead === undefined) break;
      lead.answer.head({ status: 200, fields: '', streamed: true });
      const half = message.text.length >> 1;
      lead.answer.append(Buffer.from(message.text.slice(0, half)));
      lead.answer.append(Buffer.from(message.text.slice(half)));
      lead.release();
      lead.answer.end(null);
      break;
    }
    default:
      message satisfies never;
  }
};
