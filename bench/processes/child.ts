import { connect } from 'node:net';

const POLL_MS = 2;
const STOP_GRACE_MS = 5000;
const KEPT_OUTPUT_BYTES = 8192;

/** A program the harness has started and will stop. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  /** From the call of `startChild` until `isUp` said yes. */
  readonly readyMs: number;
  readonly exited: boolean;
  /** Last bytes of what it printed, for error messages. */
  output(): string;
  stop(): Promise<void>;
}

export interface ChildOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Polled every 2 ms until it is true. */
  readonly isUp: () => Promise<boolean>;
  readonly startTimeoutMs?: number;
}

const running = new Set<Child>();

/** Starts a program in a fresh process and waits until it is up. Fails with the end of its output where it does not come up. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, command, isUp } = options;
  const startedMs = performance.now();
  const inherited: Record<string, string> = {};
  for (const key of ['PATH', 'HOME', 'LANG', 'TMPDIR']) {
    const value = process.env[key];
    if (value !== undefined) inherited[key] = value;
  }
  const child = Bun.spawn([...command], {
    env: { ...inherited, ...options.environment },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  let kept = '';
  const follow = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const bytes of stream)
      kept = (kept + decoder.decode(bytes, { stream: true })).slice(-KEPT_OUTPUT_BYTES);
  };
  const followed = Promise.allSettled([follow(child.stdout), follow(child.stderr)]);
  const stop = async (): Promise<void> => {
    running.delete(handle);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      await child.exited;
      clearTimeout(killer);
    }
    await followed;
  };
  const handle: Child & { readyMs: number } = {
    name,
    pid: child.pid,
    readyMs: 0,
    get exited() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    output: () => kept,
    stop,
  };
  running.add(handle);
  const timeoutMs = options.startTimeoutMs ?? 20_000;
  while (!(await isUp())) {
    const late = performance.now() - startedMs > timeoutMs;
    if (late || handle.exited) {
      await stop();
      throw new Error(`${name} ${late ? `was not up after ${timeoutMs} ms` : 'ended at once'}:\n${kept}`);
    }
    await Bun.sleep(POLL_MS);
  }
  handle.readyMs = performance.now() - startedMs;
  return handle;
}

/** Stops whatever is still running; for the way out of the harness. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()));
}

/** Whether something accepts connections on a port of 127.0.0.1. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Whether a GET of an URL is answered with 200. */
export async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): number {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => {} } });
  const { port } = server;
  server.stop(true);
  return port;
}
