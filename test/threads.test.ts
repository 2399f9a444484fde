import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator, type Simulator } from '../bench/simulator/server.ts';
import { adminAccess } from '../src/admin/access.ts';
import { QuotaLedger } from '../src/billing/quota.ts';
import { loadConfig } from '../src/config/load.ts';
import { Supervisor } from '../src/primary/supervisor.ts';
import type { AdminCall } from '../src/primary/messages.ts';
import type { ThreadName } from '../src/primary/threads.ts';
import { LABEL_BYTES, MAX_ROWS, METRIC_WORDS } from '../src/shared/counter-layout.ts';
import { createMemory, MONEY, type SharedMemory } from '../src/shared/memory-map.ts';
import { StorageClient } from '../src/storage/client.ts';
import { keyHash } from '../src/storage/key-hash.ts';
import { ADMIN_TOKEN, eventually, turnsAway } from './support/gateway.ts';

const KEY = 'sk-tr-supervision';
const ENTRIES: Readonly<Record<ThreadName, string>> = {
  proxy: './support/faulty-proxy.ts',
  storage: '../workers/storage.ts',
  metrics: '../workers/metrics.ts',
};

/** A supervisor in this process whose threads can be made to fail. */
class House {
  readonly simulator: Simulator = startSimulator({ port: 0 });
  readonly folder = mkdtempSync(join(tmpdir(), 'tokenrouter-threads-'));
  readonly threads: { name: ThreadName; worker: Worker }[] = [];
  readonly memory: SharedMemory;
  readonly supervisor: Supervisor;
  readonly warnings: string[] = [];
  /** Admin calls that wait for an answer. */
  readonly adminCalls: { worker: number; call: AdminCall }[] = [];
  storage: StorageClient | null = null;
  port = 0;

  constructor() {
    const config = loadConfig({
      PORT: '0',
      HOST: '127.0.0.1',
      WORKERS: '2',
      DATA_DIR: this.folder,
      LOG_LEVEL: 'silent',
      OPENAI_API_KEY: 'sk-up',
      OPENAI_BASE_URL: this.simulator.url,
    });
    this.memory = createMemory({
      workers: 2,
      metricWords: METRIC_WORDS,
      labelBytes: MAX_ROWS * LABEL_BYTES,
      maxKeys: 16,
    });
    const note = (_fields: object, message: string): void => void this.warnings.push(message);
    this.supervisor = new Supervisor({
      config,
      capacity: { concurrentRequests: 1_000, upstreamConnections: 1_000 },
      memory: this.memory,
      hashSecret: new Uint8Array(32),
      admin: adminAccess(ADMIN_TOKEN, false),
      log: { info: note, warn: note, error: note },
      spawn: (name) => {
        const worker = new Worker(new URL(ENTRIES[name], import.meta.url));
        this.threads.push({ name, worker });
        return worker;
      },
      onAdmin: (worker, call) => void this.adminCalls.push({ worker, call }),
      onStorage: (port) => {
        if (this.storage === null) this.storage = new StorageClient(port);
        else this.storage.reconnect(port);
      },
    });
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
      expect(house.memory.money[MONEY.held]).toBe(0);
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
    const spent = new QuotaLedger(house.memory, 0).spent(key!.slot);
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
});
