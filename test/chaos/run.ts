import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { startThreads } from '../../src/simulator/threads.ts';
import { eventually, startGateway, type Gateway } from '../support/gateway.ts';
import { keyView } from '../support/money.ts';
import { openRaw, rawChat } from '../support/raw-http.ts';
import { numbersFrom, type Numbers } from './numbers.ts';
import { chaosRequests, understood, type ChaosRequest } from './requests.ts';

/**
 * Everything at once, at a steady rate: vendors that fail in every way of the simulator, clients that leave at every stage, and
 * threads that die.
 *
 * ```
 *   clients ── at a rate ──► gateway, a thread of which dies every so often ──► simulator
 *      └─ read and check every byte; some send half a head or half a body, leave early, or do not read for a while
 * ```
 *
 * What is right while it runs: each answer that says it is complete has the model's words and nothing else, each that is cut
 * has a part of them from the start and does not say that it is complete. What is right behind it: see {@link settled}.
 */
export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Requests a second; those that would be more than {@link MAX_OPEN} at a time are left out and counted. */
  readonly ratePerS: number;
  readonly deathEveryMs: number;
}

export interface ChaosReport {
  readonly sent: number;
  /** Left out because too many were open. */
  readonly leftOut: number;
  /** Connections that ended without a whole answer: of dead threads, or of clients that left. */
  readonly cut: number;
  readonly deaths: number;
  readonly statuses: ReadonlyMap<number, number>;
  /** What must not be. */
  readonly wrong: readonly string[];
}

const MAX_OPEN = 600;
const PROVIDER_PLACES = 200;
const PACE_MS = 10;
/** A gateway answers these where something else than the vendor decides: limits, threads that are gone. */
const STATUSES_OF_ITS_OWN = new Set([402, 429, 502, 503, 504]);
const MAX_TOLD = 20;
const LANES = 20;

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  await using started = new AsyncDisposableStack();
  const vendor = started.adopt(
    await startThreads({ port: 0, host: '127.0.0.1', fast: false, threads: 1 }),
    (one) => one.stop(),
  );
  const gateway = started.use(
    await startGateway({
      entry: 'test/support/serve-with-deaths.ts',
      env: {
        OPENAI_API_KEY: 'sk-up',
        OPENAI_BASE_URL: vendor.url,
        PROVIDER_CONCURRENT_LIMIT: String(PROVIDER_PLACES),
        LOG_LEVEL: 'error',
      },
    }),
  );
  const { id, key } = await gateway.createKey({ quota_usd: 1_000_000 });
  const run = new ChaosRun(gateway, key, await chaosRequests(vendor.url), numbersFrom(options.seed));
  const socketsBefore = socketsOf(gateway.process.pid);
  await run.drive(options);
  await settled(run, vendor.url, id, socketsBefore);
  return run;
}

/** The clients. */
class ChaosRun implements ChaosReport {
  readonly gateway: Gateway;
  readonly key: string;
  readonly requests: readonly ChaosRequest[];
  readonly wrong: string[] = [];
  readonly statuses = new Map<number, number>();
  readonly #number: Numbers;
  #open = 0;
  sent = 0;
  leftOut = 0;
  cut = 0;
  deaths = 0;

  constructor(gateway: Gateway, key: string, requests: readonly ChaosRequest[], number: Numbers) {
    this.gateway = gateway;
    this.key = key;
    this.requests = requests;
    this.#number = number;
  }

  /** Sends at the rate until the time is over, then waits for what is open. */
  async drive({ deathEveryMs, durationMs, ratePerS }: ChaosOptions): Promise<void> {
    const startedMs = performance.now();
    let nextDeathMs = deathEveryMs;
    let due = 0;
    for (let nowMs = 0; nowMs < durationMs; nowMs = performance.now() - startedMs) {
      for (; due < (nowMs / 1_000) * ratePerS; due++) {
        if (this.#open < MAX_OPEN) void this.#one();
        else this.leftOut++;
      }
      if (nowMs >= nextDeathMs) {
        nextDeathMs += deathEveryMs;
        this.deaths++;
        this.gateway.process.kill('SIGUSR2');
      }
      await Bun.sleep(PACE_MS);
    }
    await eventually(() => this.#open === 0, 'every client has its answer or has been cut');
  }

  complain(what: string): void {
    if (this.wrong.length < MAX_TOLD) this.wrong.push(what);
  }

  async #one(): Promise<void> {
    this.#open++;
    this.sent++;
    const number = this.#number;
    const request = this.requests[number(this.requests.length)]!;
    try {
      const how = number(16);
      if (how === 0) await this.#leave(request, number);
      else if (how === 1) await this.#readLate(request, number);
      else await this.#read(request, how <= 3 ? 1 + number(60) : 0);
    } catch (thrown) {
      if (thrown instanceof WrongAnswer) this.complain(`${request.body}: ${thrown.message}`);
      else this.cut++;
    } finally {
      this.#open--;
    }
  }

  /** Leaves after part of a head, of a body, or of the answer, by FIN or RST. */
  async #leave(request: ChaosRequest, number: Numbers): Promise<void> {
    await using connection = await openRaw(this.gateway.url);
    const all = rawChat(this.key, `Content-Length: ${Buffer.byteLength(request.body)}\r\n`, request.body);
    await connection.send(all.slice(0, 1 + number(all.length)));
    if (number(2) === 0) await Bun.sleep(number(40));
    if (number(2) === 0) connection.reset();
    else connection.finish();
  }

  /** Takes the head and lets the rest wait. */
  async #readLate(request: ChaosRequest, number: Numbers): Promise<void> {
    const response = await this.#post(request, AbortSignal.timeout(30_000));
    await Bun.sleep(number(400));
    this.#check(request, response, await response.text());
  }

  /** @param leavesAfterMs 0: stays */
  async #read(request: ChaosRequest, leavesAfterMs: number): Promise<void> {
    const response = await this.#post(
      request,
      AbortSignal.timeout(leavesAfterMs === 0 ? 30_000 : leavesAfterMs),
    );
    const { status } = response;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    this.#check(request, response, await response.text());
  }

  #post({ body }: ChaosRequest, signal: AbortSignal): Promise<Response> {
    const unshared = this.#number(4) === 0;
    return this.gateway.chat(this.key, body, unshared ? { 'x-tokenrouter-dedup': 'off' } : {}, signal);
  }

  #check(request: ChaosRequest, { status }: Response, answer: string): void {
    if (status !== 200) {
      if (status !== request.status && !STATUSES_OF_ITS_OWN.has(status))
        throw new WrongAnswer(`status ${status}: ${answer}`);
      return;
    }
    let seen;
    try {
      seen = understood(request.stream, answer);
    } catch (thrown) {
      throw new WrongAnswer(`${String(thrown)}: ${answer.slice(-200)}`);
    }
    if (seen.complete ? seen.text !== request.text : !request.text.startsWith(seen.text))
      throw new WrongAnswer(`"${seen.text}" for "${request.text}"`);
  }
}

class WrongAnswer extends Error {}

/** Nothing is in flight, held, claimed, kept or connected any more, every place is free, and the gateway works. */
async function settled(
  run: ChaosRun,
  vendorUrl: string,
  keyId: string,
  socketsBefore: number,
): Promise<void> {
  const { gateway } = run;
  const zero = async (name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> =>
    eventually(async () => (await gateway.metric(name, labels)) === 0, `${name} is 0`);
  const attempt = async (step: () => Promise<void>): Promise<void> => {
    try {
      await step();
    } catch (thrown) {
      run.complain(String(thrown));
    }
  };
  await attempt(() => eventually(async () => (await gateway.metric('worker_up')) === 2, 'both threads up'));
  for (const name of ['in_flight', 'dedup_replay_bytes', 'unfinished_bodies', 'unfinished_body_bytes'])
    await attempt(() => zero(name));
  for (const state of ['active', 'waiting']) await attempt(() => zero('upstream_connections', { state }));
  await attempt(() =>
    eventually(async () => (await keyView(gateway, keyId)).held_usd === 0, 'nothing is held of the quota'),
  );
  await attempt(() =>
    eventually(async () => (await inFlightAt(vendorUrl)) === 0, 'no call runs at the vendor any more'),
  );
  await attempt(() => allPlacesFree(run));
  await attempt(() => everyRequestOnce(run));
  await attempt(() => zero('in_flight'));
  // Both ends of what is left lie here: clients that keep a connection for later, and the vendor.
  await attempt(() =>
    eventually(
      () => socketsOf(gateway.process.pid) <= socketsBefore + socketsOf(process.pid),
      'no socket without another end',
    ),
  );
}

/** Sockets that a process has; 0 where the system does not tell. */
function socketsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  if (!existsSync(folder)) return 0;
  return readdirSync(folder).filter((file) => {
    try {
      return readlinkSync(`${folder}/${file}`).startsWith('socket:');
    } catch {
      // Closed meanwhile.
      return false;
    }
  }).length;
}

async function inFlightAt(vendorUrl: string): Promise<number> {
  const response = await fetch(`${vendorUrl}/_sim/stats`, { signal: AbortSignal.timeout(5_000) });
  return ((await response.json()) as { readonly inFlight: number }).inFlight;
}

/** As many calls at a time as there are places with the vendor, which answers none before all are there. */
async function allPlacesFree(run: ChaosRun): Promise<void> {
  const all = Array.from({ length: PROVIDER_PLACES }, async (_, index) => {
    const content = `[[sim:barrier=${PROVIDER_PLACES}]] ${index} ${crypto.randomUUID()}`;
    const body = { model: 'gpt-4o', messages: [{ role: 'user', content }] };
    const response = await run.gateway.chat(run.key, body, {}, AbortSignal.timeout(40_000));
    await response.text();
    return response.status;
  });
  const refused = (await Promise.all(all)).filter((status) => status !== 200);
  if (refused.length > 0)
    throw new Error(`${refused.length} places with the vendor are lost (${refused[0]})`);
}

/** A claim that nobody holds any more would make its request wait. */
async function everyRequestOnce(run: ChaosRun): Promise<void> {
  const left = [...run.requests];
  const lane = async (): Promise<void> => {
    for (let request = left.pop(); request !== undefined; request = left.pop()) {
      const response = await run.gateway.chat(run.key, request.body, {}, AbortSignal.timeout(10_000));
      const answer = await response.text();
      if (response.status !== request.status && !request.stream)
        throw new Error(`${request.body} is answered ${response.status} in the end: ${answer}`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
