import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator, type Simulator } from '../src/simulator/server.ts';
import { adminAccess } from '../src/admin/access.ts';
import { QuotaHolds } from '../src/limits/quota.ts';
import { loadConfig } from '../src/config/load.ts';
import { Supervisor } from '../src/threads/supervisor.ts';
import type { AdminCall } from '../src/threads/messages.ts';
import type { ThreadName } from '../src/threads/spawn.ts';
import { LABEL_BYTES, MAX_ROWS, METRIC_WORDS } from '../src/shared/counter-layout.ts';
import { createMemory, KEY_WORDS, type SharedMemory } from '../src/shared/memory-map.ts';
import { StorageClient } from '../src/storage/client.ts';
import { keyHash } from '../src/keys/key-hash.ts';
import { ADMIN_TOKEN, eventually, turnsAway } from './support/gateway.ts';

const KEY = 'sk-tr-supervision';
const ENTRIES: Readonly<Record<ThreadName, string>> = {
  proxy: './support/faulty-proxy.ts',
  storage: '../workers/storage.ts',
  metrics: '../workers/metrics.ts',
  preparer: '../workers/preparer.ts',
};

interface HouseOptions {
  readonly workers?: number;
  readonly maxIncarnation?: number;
  readonly acknowledgeMs?: number;
}

/** A supervisor in this process whose threads can be made to fail. */
class House {
  readonly simulator: Simulator = startSimulator({ port: 0 });
  readonly folder = mkdtempSync(join(tmpdir(), 'tokenrouter-threads-'));
  readonly threads: { name: ThreadName; worker: Worker }[] = [];
  readonly memory: SharedMemory;
  readonly supervisor: Supervisor;
  readonly warnings: string[] = [];
  /** How long each successor was waited with, ms. */
  readonly delays: number[] = [];
  /** Why no thread can be replaced any more. */
  exhausted = '';
  /** Called before a thread is made, may throw; answers another entry than its own, or null. */
  onSpawn: (name: ThreadName) => string | null = () => null;
  /** Admin calls that wait for an answer. */
  readonly adminCalls: { worker: number; call: AdminCall }[] = [];
  storage: StorageClient | null = null;
  port = 0;

  constructor({ acknowledgeMs, maxIncarnation, workers = 2 }: HouseOptions = {}) {
    const config = loadConfig({
      PORT: '0',
      HOST: '127.0.0.1',
      WORKERS: String(workers),
      DATA_DIR: this.folder,
      LOG_LEVEL: 'silent',
      OPENAI_API_KEY: 'sk-up',
      OPENAI_BASE_URL: this.simulator.url,
    });
    this.memory = createMemory({
      workers,
      metricWords: METRIC_WORDS,
      labelBytes: MAX_ROWS * LABEL_BYTES,
      maxKeys: 16,
    });
    const note = (fields: { readonly delayMs?: number }, message: string): void => {
      this.warnings.push(message);
      if (fields.delayMs !== undefined) this.delays.push(fields.delayMs);
    };
    this.supervisor = new Supervisor({
      config,
      capacity: { concurrentRequests: 1_000, upstreamConnections: 1_000 },
      memory: this.memory,
      hashSecret: new Uint8Array(32),
      admin: adminAccess(ADMIN_TOKEN, false),
      log: { info: note, warn: note, error: note },
      spawn: (name) => {
        const worker = new Worker(new URL(this.onSpawn(name) ?? ENTRIES[name], import.meta.url));
        this.threads.push({ name, worker });
        return worker;
      },
      onAdmin: (worker, call) => void this.adminCalls.push({ worker, call }),
      onStorage: (port) => {
        if (this.storage === null) this.storage = new StorageClient(port);
        else this.storage.reconnect(port);
      },
      onExhausted: (reason) => {
        this.exhausted = reason;
      },
      maxIncarnation,
      acknowledgeMs,
    });
  }

  /** As an admin call revokes the key: stored, then known to every thread. */
  async revoke(): Promise<void> {
    const [key] = await this.storage!.listKeys();
    await this.storage!.updateKey(key!.id, { revokedAt: 1 });
    await this.supervisor.invalidateKey(key!.id);
  }

  said(text: string): number {
    return this.warnings.filter((line) => line.includes(text)).length;
  }

  async start(): Promise<void> {
    this.port = await this.supervisor.start();
    this.supervisor.setReady(true, '');
    await this.storage!.createKey({
      id: crypto.randomUUID(),
      hash: keyHash(KEY),
      name: 'supervision',
      keyPrefix: 'sk-tr-supe',
      quotaNanoUsd: 1e12,
      rpm: null,
      tpm: null,
      allowedModels: null,
      expiresAt: null,
      tags: {},
      dedup: true,
      passthrough: false,
      createdAt: 0,
    });
  }

  /** The newest threads of a kind. */
  of(name: ThreadName): Worker[] {
    return this.threads.filter((thread) => thread.name === name).map((thread) => thread.worker);
  }

  chat(content: string, more: object = {}, leaves?: AbortSignal): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }], ...more }),
      signal: AbortSignal.any([AbortSignal.timeout(10_000), ...(leaves === undefined ? [] : [leaves])]),
    });
  }

  /** Every one of these is answered; a connection that lands on a dead or stuck thread is tried again. */
  async answers(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      await eventually(
        () =>
          this.chat(`alive ${index} ${crypto.randomUUID()}`).then(
            (response) => response.status === 200,
            () => false,
          ),
        'an answer',
      );
    }
  }

  async stop(): Promise<void> {
    await this.supervisor.drain(2_000);
    this.storage?.close();
    this.supervisor.stop();
    await this.simulator.stop();
    rmSync(this.folder, { recursive: true });
  }
}

const sum = (words: Int32Array): number => words.reduce((total, word) => total + word, 0);

let house: House;
afterEach(() => house.stop());

describe('supervision', () => {
  for (const fault of ['fault:throw', 'fault:exit', 'fault:hang']) {
    test(`a proxy thread is replaced after ${fault}, and gives back what it held`, async () => {
      house = new House();
      await house.start();
      await house.answers(4);
      // Calls in flight on both threads: claims, places and holds.
      const pending = Array.from({ length: 8 }, (_, index) =>
        house.chat(`held ${index} [[sim:delay=15000]]`).then(
          () => 'answered',
          () => 'cut',
        ),
      );
      await eventually(() => sum(house.memory.inFlight) === 8, 'eight in flight');
      const before = house.memory.inFlight[2]! + house.memory.inFlight[3]!;
      const [first] = house.of('proxy');
      first!.postMessage({ type: fault });
      await eventually(() => house.of('proxy').length === 3, 'a successor');
      await eventually(() => sum(house.memory.inFlight) === before, 'only the other thread holds places');
      const claims = [...house.memory.claims].filter((word) => word !== 0);
      expect(claims).toHaveLength(before);
      expect(new Set(claims.map((word) => word >>> 20)).has(1)).toBe(false);
      expect(house.memory.money[KEY_WORDS.held]).toBe(0);
      await eventually(async () => {
        const ready = await fetch(`http://127.0.0.1:${house.port}/health/ready`, {
          headers: { connection: 'close' },
          signal: AbortSignal.timeout(1_000),
        }).catch(() => null);
        return ready?.status === 200;
      }, 'ready again');
      await house.answers(8);
      const ended = await Promise.all(pending.map((one) => Promise.race([one, Promise.resolve('waiting')])));
      expect(ended.filter((one) => one === 'answered')).toHaveLength(0);
    }, 40_000);
  }

  test('requests that follow a dead thread look their call up again and are answered', async () => {
    house = new House();
    await house.start();
    await house.answers(2);
    // One call that many wait for, on both threads; whoever leads dies, the rest must still be answered.
    const content = 'followed [[sim:hold=0]]';
    const all = Array.from({ length: 30 }, () =>
      house.chat(content).then(
        (response) => response.status,
        () => 0,
      ),
    );
    await eventually(() => house.simulator.stats().inFlight === 1, 'one call');
    await eventually(() => sum(house.memory.inFlight) === 30, 'all in flight');
    const leader = house.memory.claims.find((word) => word !== 0)! >>> 20;
    house.of('proxy')[leader - 1]!.terminate();
    await eventually(() => house.simulator.stats().received === 2 + 2, 'the survivors lead anew');
    house.simulator.release();
    const statuses = await Promise.all(all);
    const survivors = statuses.filter((status) => status !== 0);
    expect(new Set(survivors)).toEqual(new Set([200]));
    expect(survivors.length).toBeGreaterThan(0);
    // The survivors led anew, once.
    expect(house.simulator.stats().received).toBe(2 + 2);
  }, 40_000);

  test('an admin answer for a thread that has died reaches nobody else', async () => {
    house = new House();
    await house.start();
    const ask = (): Promise<string> =>
      fetch(`http://127.0.0.1:${house.port}/admin/api-keys`, {
        headers: { connection: 'close', authorization: `Bearer ${ADMIN_TOKEN}` },
        signal: AbortSignal.timeout(10_000),
      }).then(
        (response) => response.text(),
        () => 'cut',
      );
    const first = ask();
    await eventually(() => house.adminCalls.length === 1, 'a call that waits for the primary');
    const { worker, call } = house.adminCalls[0]!;
    house.of('proxy')[worker]!.terminate();
    expect(await first).toBe('cut');
    // Which thread a connection reaches is the kernel's choice: until one has reached the successor.
    const later: Promise<string>[] = [];
    await eventually(() => {
      if (house.adminCalls.length > later.length) later.push(ask());
      return house.adminCalls.slice(1).some((one) => one.worker === worker);
    }, 'a caller of the successor');
    await eventually(() => house.adminCalls.length === later.length + 1, 'all of them wait');
    house.supervisor.reply(worker, call.id, 200, 'for the first caller');
    for (const one of house.adminCalls.slice(1))
      house.supervisor.reply(one.worker, one.call.id, 401, 'theirs');
    expect(new Set(await Promise.all(later))).toEqual(new Set(['theirs']));
  }, 40_000);

  test('a thread whose own clients have left stays, at a stop, for the followers on another one', async () => {
    house = new House();
    await house.start();
    const content = 'shared [[sim:hold=3]] [[sim:chunks=10]] [[sim:interval=20]]';
    const inFlight = (worker: number): number =>
      house.memory.inFlight[worker * 2]! + house.memory.inFlight[worker * 2 + 1]!;
    const leaves = new AbortController();
    const leader = await house.chat(content, { stream: true }, leaves.signal);
    const led = inFlight(0) > 0 ? 0 : 1;
    // Which thread a connection reaches is the kernel's choice: those on the leader's own are let go.
    let follower: Response;
    for (;;) {
      const given = new AbortController();
      const before = inFlight(led);
      follower = await house.chat(content, { stream: true }, given.signal);
      expect(follower.headers.get('x-tokenrouter-dedup')).toBe('follower');
      if (inFlight(1 - led) > 0) break;
      given.abort();
      await eventually(() => inFlight(led) === before, 'the follower has left');
    }
    const reader = leader.body!.getReader();
    let seen = '';
    while (seen.split('\n\n').length <= 4) seen += Buffer.from((await reader.read()).value!).toString();
    leaves.abort();
    await reader.read().catch(() => null);
    await eventually(() => inFlight(led) === 0, 'the leader has left');
    const text = follower.text();
    const drained = house.supervisor.drain(10_000);
    await eventually(() => turnsAway(`http://127.0.0.1:${house.port}`), 'nobody is let in');
    house.simulator.release();
    await drained;
    expect(await text).toEndWith('data: [DONE]\n\n');
  }, 40_000);

  test('the storage thread is replaced: keys are found, spending is counted once', async () => {
    house = new House();
    await house.start();
    await house.answers(2);
    // While the first is likely to be writing what was just spent; its successors meet other moments.
    for (let deaths = 1; deaths <= 3; deaths++) {
      house.of('storage')[deaths - 1]!.terminate();
      await eventually(() => house.of('storage').length === deaths + 1, 'a successor');
      await house.answers(2);
    }
    await house.storage!.flush();
    const [key] = await house.storage!.listKeys();
    const spent = new QuotaHolds(house.memory, 0).spent(key!.slot);
    expect(spent).toBeGreaterThan(0);
    expect(key!.spentNanoUsd).toBe(spent);
  }, 40_000);

  test('the metrics thread is replaced: scrapes are answered', async () => {
    house = new House();
    await house.start();
    house.of('metrics')[0]!.terminate();
    await eventually(() => house.of('metrics').length === 2, 'a successor');
    const response = await fetch(`http://127.0.0.1:${house.port}/metrics`);
    expect(await response.text()).toContain('tokenrouter_worker_up{worker="0"} 1');
  }, 40_000);

  test('a start that cannot succeed says why', async () => {
    house = new House();
    rmSync(house.folder, { recursive: true });
    expect(house.start()).rejects.toThrow(/storage thread cannot start/);
    await eventually(() => house.warnings.some((line) => line.includes('storage')), 'a message');
    // The folder is removed once more when the house stops.
    await Bun.write(join(house.folder, 'x'), '');
  }, 40_000);

  test('requests that follow a dead thread do not lead for a key that was revoked meanwhile', async () => {
    house = new House();
    await house.start();
    const content = 'followed [[sim:hold=0]]';
    const all = Array.from({ length: 30 }, () =>
      house.chat(content).then(
        (response) => response.status,
        () => 0,
      ),
    );
    await eventually(() => house.simulator.stats().inFlight === 1, 'one call');
    await eventually(() => sum(house.memory.inFlight) === 30, 'all in flight');
    await house.revoke();
    const leader = house.memory.claims.find((word) => word !== 0)! >>> 20;
    house.of('proxy')[leader - 1]!.terminate();
    const survivors = (await Promise.all(all)).filter((status) => status !== 0);
    expect(new Set(survivors)).toEqual(new Set([401]));
    expect(house.simulator.stats().received).toBe(1);
  }, 40_000);

  test('a scrape whose thread dies is answered by the next one', async () => {
    house = new House();
    await house.start();
    house.of('metrics')[0]!.terminate();
    const response = await fetch(`http://127.0.0.1:${house.port}/metrics`);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('tokenrouter_worker_up{worker="0"} 1');
  }, 40_000);
});

describe('a thread that fails after the start', () => {
  test('a proxy whose port is taken: it is ended, and replaced until one can listen', async () => {
    house = new House({ workers: 1 });
    await house.start();
    await house.answers(1);
    let holder: Bun.TCPSocketListener | null = null;
    house.onSpawn = (name) => {
      if (name === 'proxy')
        holder ??= Bun.listen({ hostname: '127.0.0.1', port: house.port, socket: { data() {} } });
      return null;
    };
    const beats = (): number => house.memory.heartbeats[0]!;
    house.of('proxy')[0]!.terminate();
    await eventually(() => house.said('cannot start') >= 1, 'the first successor has failed');
    const beatsBefore = beats();
    await eventually(() => house.said('cannot start') >= 3, 'successors fail');
    expect(house.warnings.find((line) => line.includes('cannot start'))).toContain(
      `cannot listen on 127.0.0.1:${house.port}: EADDRINUSE`,
    );
    // Whoever does not listen does not live, neither for the metrics nor for those that change keys.
    expect(beats()).toBe(beatsBefore);
    await house.revoke();
    expect(house.delays.slice(0, 3)).toEqual([50, 100, 200]);
    holder!.stop(true);
    await eventually(
      () =>
        house.chat('x').then(
          (response) => response.status === 401,
          () => false,
        ),
      'one listens, and knows of the revocation',
    );
  }, 40_000);

  test('a proxy that cannot even be made', async () => {
    house = new House();
    await house.start();
    let left = 3;
    house.onSpawn = (name) => {
      if (name === 'proxy' && left-- > 0) throw new Error('no thread can be had');
      return null;
    };
    house.of('proxy')[0]!.terminate();
    await eventually(() => house.said('no thread can be had') === 3, 'three tries');
    await eventually(() => house.of('proxy').length === 3, 'the fourth');
    await house.answers(4);
  }, 40_000);

  test('storage whose database cannot be opened', async () => {
    house = new House();
    await house.start();
    await house.answers(1);
    const away = `${house.folder}-away`;
    let moved = false;
    house.onSpawn = (name) => {
      if (name === 'storage' && !moved) {
        renameSync(house.folder, away);
        moved = true;
      }
      return null;
    };
    house.of('storage')[0]!.terminate();
    await eventually(() => house.said('storage thread cannot start') >= 3, 'successors fail');
    renameSync(away, house.folder);
    const reads = (): Promise<boolean> =>
      house.storage!.listKeys().then(
        (keys) => keys.length === 1,
        () => false,
      );
    await eventually(reads, 'one can');
    await house.answers(2);
    await house.storage!.flush();
  }, 40_000);

  test('metrics', async () => {
    house = new House();
    await house.start();
    let left = 3;
    house.onSpawn = (name) => (name === 'metrics' && left-- > 0 ? './support/failing-thread.ts' : null);
    house.of('metrics')[0]!.terminate();
    await eventually(() => house.said('metrics thread cannot start: on request') === 3, 'three fail');
    await eventually(() => house.of('metrics').length === 5, 'the fourth');
    const response = await fetch(`http://127.0.0.1:${house.port}/metrics`);
    expect(await response.text()).toContain('tokenrouter_worker_up{worker="0"} 1');
  }, 40_000);
});

describe('the thread that prepares large bodies', () => {
  const large = (house: House, model = 'gpt-4o'): Promise<Response> =>
    house.chat(`${crypto.randomUUID()} ${String.raw`\u00e9`.repeat(200_000)}`, { model });

  test('is started again, and no other thread ends with it', async () => {
    house = new House();
    await house.start();
    expect((await large(house)).status).toBe(200);
    house.of('preparer')[0]!.terminate();
    const answer = await large(house);
    // It waits for the successor; only what the old thread had been given is lost.
    expect([200, 503]).toContain(answer.status);
    if (answer.status === 503) {
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(await answer.text()).toContain('preparation_unavailable');
    }
    await eventually(() => house.of('preparer').length === 2, 'a successor');
    await eventually(() => large(house).then(({ status }) => status === 200), 'it works');
    // A proxy thread that starts later knows it, too.
    for (const proxy of house.of('proxy')) proxy.terminate();
    await eventually(() => house.of('proxy').length === 4, 'successors');
    await house.answers(4);
    for (let call = 0; call < 4; call++) expect((await large(house)).status).toBe(200);
    await house.answers(4);
    expect([house.of('proxy').length, house.of('storage').length, house.of('metrics').length]).toEqual([
      4, 1, 1,
    ]);
  }, 40_000);

  test('that cannot start holds up no other request', async () => {
    house = new House();
    let works = false;
    house.onSpawn = (name) => (name === 'preparer' && !works ? './support/failing-thread.ts' : null);
    await house.start();
    const answer = large(house);
    await house.answers(4);
    await eventually(() => house.of('preparer').length > 1, 'it is tried again');
    works = true;
    expect((await answer).status).toBe(200);
  }, 40_000);
});

describe('a change of a key', () => {
  test('does not wait for a thread that never gets going', async () => {
    house = new House();
    await house.start();
    await house.answers(2);
    house.onSpawn = (name) => (name === 'proxy' ? './support/idle-thread.ts' : null);
    house.of('proxy')[0]!.terminate();
    await eventually(() => house.of('proxy').length === 3, 'an idle successor');
    await house.revoke();
    expect(house.said('a thread is stuck')).toBe(0);
    expect((await house.chat('no more')).status).toBe(401);
  }, 40_000);

  test('ends a thread that does not hear of it, though it beats', async () => {
    house = new House({ acknowledgeMs: 1_000 });
    await house.start();
    await house.answers(4);
    house.of('proxy')[0]!.postMessage({ type: 'fault:deaf' });
    await house.revoke();
    expect(house.said('has forgotten a key')).toBeGreaterThan(0);
    await eventually(() => house.of('proxy').length === 3, 'a successor');
    for (let index = 0; index < 8; index++) {
      await eventually(
        () =>
          house.chat(`revoked ${index}`).then(
            (response) => response.status === 401,
            () => false,
          ),
        'nobody is let in',
      );
    }
  }, 40_000);

  test('waits no longer for a thread that dies', async () => {
    house = new House({ acknowledgeMs: 60_000 });
    await house.start();
    house.of('proxy')[0]!.postMessage({ type: 'fault:deaf' });
    const revoked = house.revoke();
    await eventually(() => house.storage!.listKeys().then(([key]) => key!.revokedAt === 1), 'it is stored');
    house.of('proxy')[0]!.terminate();
    await revoked;
  }, 40_000);
});

describe('the last incarnation', () => {
  test('a thread that can have no successor is told of, once', async () => {
    house = new House({ maxIncarnation: 3 });
    await house.start();
    house.of('proxy')[0]!.terminate();
    await eventually(() => house.of('proxy').length === 3, 'the last successor');
    await house.answers(2);
    expect(house.exhausted).toBe('');
    house.of('proxy')[1]!.terminate();
    await eventually(() => house.exhausted !== '', 'the end is told');
    expect(house.exhausted).toContain('no incarnation is left');
    // The others still do their work.
    await house.answers(2);
  }, 40_000);

  test('a start that needs more than there are says so', async () => {
    house = new House({ maxIncarnation: 1 });
    expect(house.start()).rejects.toThrow('no incarnation is left');
  }, 40_000);
});
