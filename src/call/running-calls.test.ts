import { expect, test } from 'bun:test';
import { RunningCalls, type KeyedCall } from './running-calls.ts';

/** A call that leaves when its key changes, as one that is taken back does, and begins another one. */
class Call implements KeyedCall {
  readonly keyId: string;
  readonly #calls: RunningCalls;
  previous: KeyedCall | null = null;
  next: KeyedCall | null = null;
  told = 0;

  constructor(keyId: string, calls: RunningCalls) {
    this.keyId = keyId;
    this.#calls = calls;
  }

  keyChanged(): void {
    this.told++;
    this.#calls.remove(this);
    this.#calls.remove(this);
    this.#calls.add(new Call(this.keyId, this.#calls));
  }
}

test('those of the key are told, once, whatever leaves or comes meanwhile', () => {
  const calls = new RunningCalls();
  const all = ['a', 'b', 'a', 'a', 'c'].map((id) => new Call(id, calls));
  for (const call of all) calls.add(call);
  calls.remove(all[2]!);
  calls.keyChanged('a');
  expect(all.map(({ told }) => told)).toEqual([1, 0, 0, 1, 0]);
  calls.keyChanged('a');
  calls.keyChanged('c');
  expect(all.map(({ told }) => told)).toEqual([1, 0, 0, 1, 1]);
});
