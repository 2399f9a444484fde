import { afterEach, describe, expect, test } from 'bun:test';
import { WatchedThread, type Watch } from './watched-thread.ts';

/** A thread that does as it is told: `{ run: text }` is evaluated there. */
const ENTRY = URL.createObjectURL(
  new Blob(['self.onmessage = (event) => new Function("postMessage", event.data.run)(postMessage);']),
);
const WATCH: Watch = { stuckMs: 1_000, blockedMs: 8_000, startMs: 10_000 };

/** A watched thread, its heartbeat in the hands of the test, and what was heard of it. */
class Watched {
  beat = 0;
  cpuMs: number | null = null;
  /** What a new thread is to do at once. */
  first = '';
  spawnFails = 0;
  readonly heard: string[] = [];
  readonly delays: number[] = [];
  readonly thread: WatchedThread<{ readonly run: string }, string>;

  constructor() {
    const note = (fields: { readonly delayMs?: number }): void => {
      if (fields.delayMs !== undefined) this.delays.push(fields.delayMs);
    };
    this.thread = new WatchedThread({
      name: 'watched',
      watch: WATCH,
      spawn: () => {
        if (this.spawnFails-- > 0) throw new Error('no thread can be had');
        this.heard.push('spawned');
        return new Worker(ENTRY);
      },
      heartbeat: () => this.beat,
      cpuMs: () => this.cpuMs,
      onSpawn: (thread) => thread.post({ run: this.first }),
      onMessage: (message) => {
        this.heard.push(message);
        if (message === 'running') this.thread.running();
        if (message === 'failed') this.thread.failed('it says so');
      },
      onFailed: (reason) => this.heard.push(`failed: ${reason}`),
      onClose: () => this.heard.push('closed'),
      log: { info: note, warn: note, error: note },
    });
  }

  async until(count: number, text: string): Promise<void> {
    const deadline = performance.now() + 15_000;
    while (this.heard.filter((one) => one === text).length < count) {
      if (performance.now() > deadline) throw new Error(`never: ${text}, but ${this.heard.join(', ')}`);
      await Bun.sleep(5);
    }
  }
}

let watched: Watched;
afterEach(() => watched.thread.stop());

describe('a watched thread', () => {
  test('that says it has failed is ended, and replaced after a wait that doubles', async () => {
    watched = new Watched();
    watched.first = 'postMessage("failed"); setInterval(() => {}, 1000);';
    watched.thread.start();
    await watched.until(3, 'closed');
    expect(watched.heard.slice(0, 8)).toEqual([
      'spawned',
      'failed',
      'failed: it says so',
      'closed',
      'spawned',
      'failed',
      'failed: it says so',
      'closed',
    ]);
    expect(watched.delays.slice(0, 3)).toEqual([50, 100, 200]);
  });

  test('that cannot be made is tried again in the same way', async () => {
    watched = new Watched();
    watched.spawnFails = 2;
    watched.first = 'postMessage("running")';
    watched.thread.start();
    await watched.until(1, 'running');
    expect(watched.heard).toEqual([
      'failed: no thread can be had',
      'failed: no thread can be had',
      'spawned',
      'running',
    ]);
    expect(watched.delays).toEqual([50, 100]);
    expect(watched.thread.alive).toBe(true);
  });

  test('that does not get going in its time is ended, however it beats', async () => {
    watched = new Watched();
    watched.first = 'postMessage("loaded")';
    const nowMs = performance.now();
    watched.thread.start();
    await watched.until(1, 'loaded');
    for (let afterMs = 0; afterMs < WATCH.startMs - 1_000; afterMs += 500) {
      watched.beat++;
      watched.thread.check(nowMs + afterMs);
    }
    expect(watched.thread.alive).toBe(true);
    watched.beat++;
    watched.thread.check(performance.now() + WATCH.startMs);
    await watched.until(1, 'closed');
    await watched.until(2, 'spawned');
  });

  test('lives as long as its heartbeat changes, which may pass the largest number and 0', async () => {
    watched = new Watched();
    watched.first = 'postMessage("running")';
    watched.beat = 2 ** 31 - 2;
    watched.thread.start();
    await watched.until(1, 'running');
    expect(watched.thread.begun).toBe(false);
    let nowMs = performance.now();
    for (const beat of [2 ** 31 - 1, -(2 ** 31), -1, 0, 1]) {
      watched.beat = beat;
      watched.thread.check((nowMs += WATCH.stuckMs + 1));
      expect(watched.thread.begun).toBe(true);
    }
    expect(watched.heard).toEqual(['spawned', 'running']);
    watched.thread.check(nowMs + WATCH.stuckMs + 1);
    await watched.until(1, 'closed');
    expect(watched.thread.begun).toBe(false);
  });

  // Seen once, with the machine busy: the runtime did not tell of the second end within 15 s.
  test(
    'is not stuck while others have the processor, but blocked in the end',
    async () => {
      watched = new Watched();
      watched.cpuMs = 100;
      watched.first = 'postMessage("running")';
      watched.thread.start();
      await watched.until(1, 'running');
      let nowMs = performance.now();
      watched.beat++;
      watched.thread.check(nowMs);
      // It works for a quarter of the time: 900 ms of its own in 3.6 s.
      for (let turn = 0; turn < 9; turn++) {
        watched.cpuMs += 100;
        watched.thread.check((nowMs += 400));
      }
      expect(watched.heard).toEqual(['spawned', 'running']);
      watched.cpuMs += 101;
      watched.thread.check((nowMs += 400));
      await watched.until(1, 'closed');

      await watched.until(2, 'running');
      watched.beat++;
      nowMs = performance.now();
      watched.thread.check(nowMs);
      watched.thread.check(nowMs + WATCH.blockedMs - 1);
      expect(watched.thread.alive).toBe(true);
      watched.thread.check(nowMs + WATCH.blockedMs);
      const later = setInterval(() => watched.thread.check((nowMs += WATCH.blockedMs)), 20);
      await watched.until(2, 'closed').finally(() => clearInterval(later));
    },
    { retry: 2 },
  );

  test('that is retired or stopped has no successor', async () => {
    watched = new Watched();
    watched.spawnFails = 1;
    watched.thread.retire();
    watched.thread.start();
    expect(watched.delays).toEqual([]);
    watched.thread.start();
    watched.thread.stop();
    await watched.until(1, 'closed');
    expect(watched.delays).toEqual([]);
  });
});
