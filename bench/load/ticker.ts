/** Calls `onTick` about once each `tickMs` until stopped. The caller reads the clock: late ticks are merged, not queued. */
export class Ticker {
  readonly #words = new Int32Array(new SharedArrayBuffer(12));
  readonly #worker: Worker;
  readonly #onTick: () => void;
  #seen = 0;
  #stopped = false;

  constructor(tickMs: number, onTick: () => void) {
    this.#onTick = onTick;
    this.#worker = new Worker(new URL('./pacer.ts', import.meta.url));
    this.#worker.postMessage({ words: this.#words, tickMs });
    void this.#follow();
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      const wait = Atomics.waitAsync(this.#words, 0, this.#seen);
      if (wait.async) await wait.value;
      this.#seen = Atomics.load(this.#words, 0);
      if (!this.#stopped) this.#onTick();
    }
  }

  stop(): void {
    this.#stopped = true;
    Atomics.store(this.#words, 2, 1);
    Atomics.notify(this.#words, 0);
    this.#worker.addEventListener('message', () => this.#worker.terminate());
  }
}
