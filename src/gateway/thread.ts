import { heapSize } from 'bun:jsc';
import { PriceTable } from '../billing/prices.ts';
import { QuotaHolds } from '../limits/quota.ts';
import { RateWindow } from '../limits/rate.ts';
import type { Config } from '../config/load.ts';
import { ClaimTable } from '../dedup/claim-table.ts';
import { DedupTable } from '../dedup/dedup-table.ts';
import { ReplayBudget } from '../dedup/replay-budget.ts';
import { ALL_DIALECTS } from '../dialects/registry.ts';
import type { Dialect } from '../dialects/types.ts';
import { configuredStages } from '../pipeline/configured.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import type { Capacity } from '../threads/capacity.ts';
import type { FromProxy, ProxyStart, ToProxy } from '../threads/messages.ts';
import { PreparerClient } from '../preparer/client.ts';
import { ProviderRegistry } from '../providers/registry.ts';
import type { ControlThread } from '../shared/memory-map.ts';
import { WorkerMetrics } from '../shared/counters.ts';
import { PeerHub } from '../shared/peer-hub.ts';
import { STAGE_LABELS, UNCLAIMED_REASONS } from '../shared/labels.ts';
import { ownThreadId } from '../shared/thread-clock.ts';
import { StorageClient } from '../storage/client.ts';
import { createLogger } from '../telemetry/logging.ts';
import { chooseTransports, type TransportChooser } from '../upstream/transport.ts';
import { Admission } from '../limits/admission.ts';
import type { ChatDeps } from './chat.ts';
import { ControlPlane } from './control-plane.ts';
import { KeyCache } from '../keys/key-cache.ts';
import { LargeBodies } from './large-bodies.ts';
import { ProviderLimit, RateLimiter } from '../limits/limits.ts';
import { Recorder } from '../call/recorder.ts';
import { RequestHeads } from '../call/request-heads.ts';
import { RunningCalls } from '../call/running-calls.ts';
import { serve } from './server.ts';
import { UnfinishedBodies } from '../limits/unfinished-bodies.ts';

const BEAT_MS = 100;
/** Silent clients are looked for once a second. */
const SWEEP_EVERY_BEATS = 10;
const DRAIN_POLL_MS = 10;
/** A thread sheds connections from this many times the mean in flight, and this many requests, on. */
const SHED_FACTOR = 2;
const SHED_MIN_IN_FLIGHT = 64;

/**
 * Connections that this thread may have to one host. Where there may be one for every request, admission bounds them over
 * all threads, however requests have spread; only what is scarcer is shared out.
 */
function connectionsPerHost(env: Config['env'], capacity: Capacity): number {
  const { upstreamConnections, concurrentRequests } = capacity;
  const wanted = env.PROXY_MAX_CONNS_PER_HOST === 0 ? Infinity : env.PROXY_MAX_CONNS_PER_HOST;
  if (Math.min(wanted, upstreamConnections) >= concurrentRequests) return concurrentRequests;
  return Math.max(1, Math.ceil(Math.min(wanted, upstreamConnections) / env.WORKERS));
}

function transportsOf(
  { config, capacity }: ProxyStart,
  now: () => number,
  onDefect: (error: unknown) => void,
): TransportChooser {
  const { env } = config;
  const perWorker = (total: number): number => Math.max(1, Math.ceil(total / env.WORKERS));
  return chooseTransports({
    limits: {
      maxIdle: env.PROXY_MAX_IDLE_CONNS === 0 ? 0 : perWorker(env.PROXY_MAX_IDLE_CONNS),
      maxIdlePerHost:
        env.PROXY_MAX_IDLE_CONNS_PER_HOST === 0 ? 0 : perWorker(env.PROXY_MAX_IDLE_CONNS_PER_HOST),
      maxPerHost: connectionsPerHost(env, capacity),
      idleTimeoutMs: env.PROXY_IDLE_CONN_TIMEOUT,
    },
    timeouts: {
      connectMs: env.UPSTREAM_CONNECT_TIMEOUT,
      firstByteMs: env.UPSTREAM_FIRST_BYTE_TIMEOUT,
      idleMs: env.UPSTREAM_IDLE_TIMEOUT,
      totalMs: env.UPSTREAM_TOTAL_TIMEOUT,
    },
    maxHeadBytes: 64 * 1024,
    now,
    onDefect,
    httpProxy: env.HTTP_PROXY,
    httpsProxy: env.HTTPS_PROXY,
    noProxy: env.NO_PROXY,
  });
}

/** Wires one proxy thread and starts listening; answers the function that takes the primary's further messages. */
export function startProxyThread(
  start: ProxyStart,
  send: (message: FromProxy) => void,
): (message: ToProxy) => void {
  const { config, memory, worker, capacity } = start;
  const { env } = config;
  const log = createLogger(env.LOG_LEVEL, `proxy-${worker}`);
  // Until it listens it beats where nobody looks.
  let beats = new Int32Array(new SharedArrayBuffer(4));
  let ownBeat = 0;
  // Who asks for the time gets on. Under a load that fills the loop for longer than the watchdog waits, timers come late;
  // work that goes on, above all before it is compiled, must not be taken for a loop that does not end.
  const now = (): number => {
    beats[ownBeat]! += 1;
    return performance.now();
  };
  const wallClockMs = (): number => Date.now();

  memory.threadIds[worker] = ownThreadId();
  const metrics = new WorkerMetrics(memory, worker);
  const prices = new PriceTable();
  const registry = new ProviderRegistry(config.routing);
  const providerIds = registry.providers.map((provider) => provider.id);
  const storage = new StorageClient(start.storage);
  const transports = transportsOf(start, now, (error) =>
    log.error({ err: error }, 'the handling of an answer failed'),
  );
  const budget = new ReplayBudget(memory.replayBytes, worker);
  const peers = new PeerHub();
  const dedup = new DedupTable({
    claims: new ClaimTable(memory.claims, start.incarnation),
    peers,
    budget,
    ttlMs: env.DEDUP_TTL,
    now,
    onUnclaimed: (reason) => metrics.dedupUnclaimed(UNCLAIMED_REASONS.indexOf(reason)),
  });
  const keys = new KeyCache({ ttlMs: env.AUTH_CACHE_TTL, now, find: (hash) => storage.findKeyByHash(hash) });
  const calls = new RunningCalls();
  const admission = new Admission(
    {
      total: capacity.concurrentRequests,
      streamed: env.STREAM_CONCURRENT_LIMIT ?? capacity.concurrentRequests,
      buffered: env.NON_STREAM_CONCURRENT_LIMIT ?? capacity.concurrentRequests,
    },
    {
      add: (kind, delta) => metrics.addInFlight(kind, delta),
      sum: (kind) => metrics.sumInFlight(kind),
    },
  );
  const bodies = new UnfinishedBodies(memory, worker, {
    maxBytes: env.BODIES_MAX_BYTES,
    maxBodyBytes: env.MAX_BODY_BYTES,
    firstBirth: start.incarnation * 2 ** 32,
  });
  const preparer = new PreparerClient(start.incarnation * 2 ** 32);
  const stages: number[] = [];
  const stageOptions = configuredStages(config, registry, start.hashSecret);
  const pipeline = new Pipeline({
    ...stageOptions,
    now,
    onStage: (index, ms) => metrics.stage(stages[index]!, ms),
  });
  for (const name of pipeline.stageNames) stages.push(STAGE_LABELS.indexOf(name));

  const deps: Omit<ChatDeps, 'dialect'> = {
    keys,
    admission,
    bodies,
    largeBodies: new LargeBodies(preparer, bodies),
    pipeline,
    resolveModel: stageOptions.resolveModel,
    dedup: env.DEDUP_ENABLED ? dedup : null,
    dedupScope: env.DEDUP_SCOPE,
    budget,
    quota: new QuotaHolds(memory, worker),
    rates: env.RATE_LIMIT_ENABLED
      ? new RateLimiter(new RateWindow(memory, worker), {
          rpm: env.RATE_LIMIT_RPM ?? null,
          tpm: env.RATE_LIMIT_TPM ?? null,
        })
      : null,
    providerLimit:
      env.PROVIDER_CONCURRENT_LIMIT === undefined
        ? null
        : new ProviderLimit(memory, worker, env.PROVIDER_CONCURRENT_LIMIT, providerIds),
    prices,
    transports,
    heads: new RequestHeads(registry.providers),
    recorder: new Recorder(
      metrics,
      (provider, model) => prices.names(provider, model) || registry.names(model),
    ),
    calls,
    maxBodyBytes: env.MAX_BODY_BYTES,
    now,
    wallClockMs,
    onDefect: (error, requestId) => log.error({ err: error.cause ?? error, requestId }, error.message),
  };

  const clientsOf = (dialect: Dialect): ChatDeps => ({ ...deps, dialect });

  let ready = { ready: false, reason: 'starting' };
  let shedding = false;
  const control = new ControlPlane({
    send,
    metrics: start.metrics,
    access: start.admin,
    firstId: start.incarnation * 2 ** 32,
    ready: () => ready,
  });
  const connect: Readonly<Record<ControlThread, (port: MessagePort) => void>> = {
    storage: (port) => storage.reconnect(port),
    metrics: (port) => control.reconnectMetrics(port),
    preparer: (port) => preparer.connect(port),
  };
  for (const peer of start.peers) peers.add(peer.incarnation, peer.port);
  const server = serve({
    host: env.HOST,
    port: start.port,
    bodyMs: env.BODY_TIMEOUT,
    corsOrigins: env.CORS_ORIGINS,
    registry,
    control,
    shedding: () => shedding || admission.closing,
    clients: ALL_DIALECTS.map(clientsOf),
  });

  // Only now: a thread that could not listen must not pass for one that lives. And before the first request is handled:
  // whoever changes a key takes it that a thread which has not beaten has looked up none.
  beats = memory.heartbeats;
  ownBeat = worker;
  Atomics.add(beats, ownBeat, 1);

  let ticks = 0;
  let expectedBeatMs = now() + BEAT_MS;
  const beat = setInterval(() => {
    const atMs = now();
    metrics.lag(Math.max(0, atMs - expectedBeatMs) / 1000);
    expectedBeatMs = atMs + BEAT_MS;
    bodies.look();
    if (++ticks % SWEEP_EVERY_BEATS === 0) {
      server.sweep();
      metrics.heap(heapSize());
    }
    const own = admission.inFlight;
    shedding = own > SHED_MIN_IN_FLIGHT && own > (SHED_FACTOR * admission.total) / env.WORKERS;
    for (const [index, provider] of registry.providers.entries()) {
      const { idle, active, waiting } = transports.stats(provider.origin);
      metrics.connections(index, idle, active, waiting);
    }
  }, BEAT_MS);
  send({ type: 'listening', port: server.port ?? start.port });

  const drain = async (deadlineMs: number): Promise<void> => {
    admission.close();
    ready = { ready: false, reason: 'stopping' };
    // Stops listening at once; what runs goes on.
    server.stop();
    const untilMs = now() + deadlineMs;
    const running = (): number => Math.max(admission.inFlight, server.busy, dedup.followers);
    while (running() > 0 && now() < untilMs) await Bun.sleep(DRAIN_POLL_MS);
    const leftInFlight = admission.inFlight;
    server.close();
    clearInterval(beat);
    transports.close();
    dedup.close();
    peers.close();
    storage.close();
    preparer.close();
    control.close();
    send({ type: 'drained', leftInFlight });
  };

  return (message) => {
    switch (message.type) {
      case 'start':
        break;
      case 'peer':
        peers.add(message.peer.incarnation, message.peer.port);
        break;
      case 'peer-dead':
        peers.dead(message.incarnation);
        break;
      case 'reconnect':
        connect[message.to](message.port);
        break;
      case 'invalidate-key':
        keys.invalidate(message.keyId);
        calls.keyChanged(message.keyId);
        send({ type: 'invalidated', ack: message.ack });
        break;
      case 'admin-reply':
        control.adminReply(message);
        break;
      case 'ready':
        if (!admission.closing) ready = { ready: message.ready, reason: message.reason };
        break;
      case 'drain':
        void drain(message.deadlineMs);
        break;
      default:
        message satisfies never;
    }
  };
}
