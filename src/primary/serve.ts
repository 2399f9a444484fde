import { messageOf } from '../std/thrown.ts';
import { mkdirSync } from 'node:fs';
import { adminAccess } from '../admin/access.ts';
import { loadAdminToken, type AdminToken } from '../admin/token.ts';
import { localAuthority } from '../config/address.ts';
import { ConfigError, loadConfig, type Config } from '../config/load.ts';
import { LABEL_BYTES, MAX_ROWS, METRIC_WORDS } from '../shared/counter-layout.ts';
import { NO_PROVIDER } from '../providers/registry.ts';
import { createMemory } from '../shared/memory-map.ts';
import { StorageClient } from '../storage/client.ts';
import { createLogger, type Log } from '../telemetry/logging.ts';
import { AdminService } from './admin-service.ts';
import { descriptorLimit, fitCapacity } from '../threads/capacity.ts';
import { printDevGreeting } from './dev-greeting.ts';
import type { DevUpstream } from './dev-upstream.ts';
import { claimPort } from './port.ts';
import { Supervisor } from '../threads/supervisor.ts';
import { spawnThread, type ThreadName } from '../threads/spawn.ts';

/** Each takes as long as storage may take to answer: 5 s. */
const FLUSH_TRIES = 3;

/** Says what went wrong, in one piece and without a stack, and ends the process. */
function giveUp(error: unknown): never {
  console.error(messageOf(error));
  process.exit(1);
}

function readConfig(dev: boolean): Config {
  const { HOST: host } = process.env;
  // An empty variable is an unset one, here above all.
  const loopback = dev && (host ?? '').trim() === '';
  const variables = loopback ? { ...process.env, HOST: '127.0.0.1' } : process.env;
  try {
    return loadConfig(variables, { dev });
  } catch (error) {
    if (error instanceof ConfigError) return giveUp(error);
    throw error;
  }
}

/** The bundled simulator is loaded only where it answers. */
async function startDevUpstream(): Promise<DevUpstream> {
  return (await import('./dev-upstream.ts')).startDevUpstream();
}

/** What is set, accepted, and not in use yet: better said than found out. */
function warnOfUnused({ env, notInUse, quoted }: Config, log: Log): void {
  for (const name of quoted)
    log.warn({}, `${name} has quotes around its value, which are taken for part of it`);
  for (const name of notInUse) log.warn({}, `${name} is set, but has no effect yet`);
  if (env.REDIS_URL !== undefined) log.warn({}, 'REDIS_URL is set, but nothing is kept in Redis yet');
}

/** The folder, made where it is missing, and the admin token in it. */
function openDataDir(env: Config['env']): AdminToken {
  try {
    mkdirSync(env.DATA_DIR, { recursive: true });
    return loadAdminToken({ given: env.ADMIN_TOKEN, dataDir: env.DATA_DIR });
  } catch (error) {
    return giveUp(new Error(`DATA_DIR: cannot use ${env.DATA_DIR}: ${messageOf(error)}`));
  }
}

export interface ServeOptions {
  readonly dev: boolean;
  /** Tests bring threads that fail, and run out of incarnations sooner. */
  readonly spawn?: (name: ThreadName) => Worker;
  readonly maxIncarnation?: number;
}

/**
 * `tokenrouter serve`: runs until SIGTERM or SIGINT; exit code 0 after a clean stop. Where a proxy thread cannot be
 * replaced any more it stops by itself, with exit code 1.
 */
export async function runServe(options: ServeOptions): Promise<void> {
  let config = readConfig(options.dev);
  const log = createLogger(config.env.LOG_LEVEL, 'primary');
  await claimPort(config.env.HOST, config.env.PORT).catch(giveUp);
  const devUpstream = options.dev && config.routing.providers.length === 0 ? await startDevUpstream() : null;
  if (devUpstream !== null) config = devUpstream.configure(config);
  const { env } = config;

  const { capacity, warning } = fitCapacity(env.GLOBAL_CONCURRENT_LIMIT, descriptorLimit());
  if (warning !== null) log.warn({}, warning);
  warnOfUnused(config, log);
  const token = openDataDir(env);
  if (token.created) console.log(`admin token (shown once, kept in ${token.path}): ${token.value}`);

  const memory = createMemory({
    workers: env.WORKERS,
    metricWords: METRIC_WORDS,
    labelBytes: MAX_ROWS * LABEL_BYTES,
  });
  let storage: StorageClient | null = null;
  const supervisor = new Supervisor({
    config,
    capacity,
    memory,
    hashSecret: crypto.getRandomValues(new Uint8Array(32)),
    admin: adminAccess(token.value, config.dev),
    log,
    spawn: options.spawn ?? spawnThread,
    maxIncarnation: options.maxIncarnation,
    onAdmin: (worker, call) => void desk.handle(worker, call),
    onStorage: (port) => {
      if (storage === null) storage = new StorageClient(port);
      else storage.reconnect(port);
    },
    onExhausted: (reason) => {
      log.error({}, `the process ends: ${reason}`);
      stop(1);
    },
  });
  const storageClient = (): StorageClient => {
    if (storage === null) throw new Error('storage has not started');
    return storage;
  };
  const desk = new AdminService({
    memory,
    storage: storageClient,
    invalidateKey: (id) => supervisor.invalidateKey(id),
    reply: (worker, id, status, body) => supervisor.reply(worker, id, status, body),
  });

  const stop = once(async (exitCode: number) => {
    log.info({}, 'stopping: no new connections, finishing what runs');
    const left = await supervisor.drain(env.SHUTDOWN_TIMEOUT);
    if (left > 0) log.warn({ left }, 'requests were cut off at the shutdown timeout');
    const stored = await flushed(storageClient(), log);
    await closeDatabase(storageClient(), log);
    supervisor.stop();
    await devUpstream?.stop();
    process.exit(stored ? exitCode : 1);
  });
  const port = await supervisor.start().catch(giveUp);
  onStopSignals(() => stop(0));

  if (config.routing.providers.length > 0) supervisor.setReady(true, '');
  else {
    supervisor.setReady(false, NO_PROVIDER);
    console.warn(`not ready: ${NO_PROVIDER}`);
  }
  const url = `http://${localAuthority(env.HOST, port)}`;
  console.log(`tokenrouter is listening on ${url} (${env.WORKERS} proxy threads)`);
  if (options.dev) {
    await printDevGreeting(
      { url, token: token.value },
      devUpstream === null ? config.routing.providers.map((provider) => provider.id) : null,
    );
  }
}

/** Whether the last spending is stored: a database may be locked, or its thread be replaced, just now. */
async function flushed(storage: StorageClient, log: Log): Promise<boolean> {
  for (let left = FLUSH_TRIES - 1; ; left--) {
    try {
      await storage.flush();
      return true;
    } catch (error) {
      log.error({ err: error, left }, 'the last spending could not be stored');
      if (left === 0) return false;
    }
  }
}

/** What is stored is safe either way: closed, it is in one file. */
async function closeDatabase(storage: StorageClient, log: Log): Promise<void> {
  try {
    await storage.closeDatabase();
  } catch (error) {
    log.warn({ err: error }, 'the database could not be closed');
  }
}

/** A stop runs once, whoever asks for it. */
function once(run: (exitCode: number) => Promise<void>): (exitCode: number) => void {
  let begun = false;
  return (exitCode) => {
    if (begun) return;
    begun = true;
    void run(exitCode);
  };
}

/** The first signal stops, the second one ends the process at once. */
function onStopSignals(stop: () => void): void {
  let signalled = false;
  const signal = (): void => {
    if (signalled) process.exit(1);
    signalled = true;
    stop();
  };
  process.on('SIGTERM', signal);
  process.on('SIGINT', signal);
}
