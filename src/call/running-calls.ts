import { LinkedList, type Linked } from '../upstream/linked-list.ts';

/** A call to a vendor, and whose key it is for. */
export interface KeyedCall extends Linked<KeyedCall> {
  readonly keyId: string;
  /** The key has changed: a call that has not gone out yet must not go by the old record. */
  keyChanged(): void;
}

/** The calls that run on this thread, so that those which still wait for a connection hear when their key changes. */
export class RunningCalls {
  readonly #calls = new LinkedList<KeyedCall>();

  add(call: KeyedCall): void {
    this.#calls.push(call);
  }

  /** Twice is harmless. */
  remove(call: KeyedCall): void {
    if (this.#calls.has(call)) this.#calls.remove(call);
  }

  /** To be told after the key was forgotten: whoever looks it up again must find the new record. */
  keyChanged(id: string): void {
    // What is told of it ends calls, and may begin others: the list is read first.
    const own: KeyedCall[] = [];
    for (let call = this.#calls.first; call !== null; call = call.next) if (call.keyId === id) own.push(call);
    for (const call of own) call.keyChanged();
  }
}
