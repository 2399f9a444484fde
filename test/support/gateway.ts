import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ADMIN_TOKEN = 'test-admin-token-0123456789';
const ROOT = join(import.meta.dir, '../..');
const START_DEADLINE_MS = 20_000;

export interface GatewayOptions {
  /** Beside PORT, HOST, DATA_DIR, ADMIN_TOKEN; nothing is inherited from the test's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** An earlier gateway's folder. */
  readonly dataDir?: string;
  /** Another entry than the command line, from the repository's root. */
  readonly entry?: string;
}

export interface CreatedKey {
  readonly id: string;
  readonly key: string;
}

/** A gateway in a process of its own, as users run it. */
export class Gateway implements AsyncDisposable {
  readonly url: string;
  readonly process: Bun.Subprocess<'ignore', 'pipe', 'pipe'>;
  readonly dataDir: string;
  readonly #output: Output;

  constructor(
    url: string,
    process: Bun.Subprocess<'ignore', 'pipe', 'pipe'>,
    dataDir: string,
    output: Output,
  ) {
    this.url = url;
    this.process = process;
    this.dataDir = dataDir;
    this.#output = output;
  }

  get output(): string {
    return this.#output.text;
  }

  /** Resolves once the output matches. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#output.until(pattern);
  }

  admin(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async createKey(fields: Record<string, unknown> = {}): Promise<CreatedKey> {
    const response = await this.admin('POST', '/admin/api-keys', {
      name: 'test',
      quota_usd: 1_000,
      ...fields,
    });
    if (response.status !== 201) throw new Error(`no key: ${response.status} ${await response.text()}`);
    return (await response.json()) as CreatedKey;
  }

  chat(
    key: string,
    body: unknown,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    return fetch(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Value of one metric, summed over the series whose labels contain `labels`. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    let sum = 0;
    for (const line of text.split('\n')) {
      const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match === null || match[1] !== `tokenrouter_${name}`) continue;
      if (wanted.every((label) => (match[2] ?? '').split(/,(?=\w+=)/).includes(label)))
        sum += Number(match[3]);
    }
    return sum;
  }

  /** Stops as an operator would; answers the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.process.kill(signal);
    return this.process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await this.process.exited;
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

class Output {
  text = '';
  #waiting: (() => void)[] = [];
  #ended = false;

  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) {
      this.text += decoder.decode(chunk, { stream: true });
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }

  async until(pattern: RegExp, deadlineMs = START_DEADLINE_MS): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(deadlineMs);
    for (;;) {
      const match = pattern.exec(this.text);
      if (match !== null) return match;
      if (this.#ended || deadline.aborted) throw new Error(`${pattern} was not printed:\n${this.text}`);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Runs the command line with nothing of the test's own environment but what finds programs. */
export function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  entry = 'src/main.ts',
): { process: Bun.Subprocess<'ignore', 'pipe', 'pipe'>; output: Output } {
  const child = Bun.spawn([process.execPath, join(ROOT, entry), ...args], {
    cwd: tmpdir(),
    env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const output = new Output();
  void output.read(child.stdout);
  void output.read(child.stderr);
  return { process: child, output };
}

/** Starts a gateway on any port, with two proxy threads unless told otherwise; resolves once it listens. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'tokenrouter-test-'));
  const { process: child, output } = runCommand(
    ['serve', ...(options.args ?? [])],
    {
      PORT: '0',
      HOST: '127.0.0.1',
      WORKERS: '2',
      DATA_DIR: dataDir,
      ADMIN_TOKEN,
      LOG_LEVEL: 'warn',
      ...options.env,
    },
    options.entry,
  );
  try {
    const match = await output.until(/listening on (http:\/\/\S+)/);
    return new Gateway(match[1]!, child, dataDir, output);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** Polls a condition on the outside; fails after a deadline. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await Bun.sleep(10);
  }
}

/** Whether a new connection is refused. Slowness is no refusal. */
export const turnsAway = (url: string): Promise<boolean> =>
  fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(1_000) }).then(
    () => false,
    (error: unknown) => !(error instanceof Error && error.name === 'TimeoutError'),
  );
