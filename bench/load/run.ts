import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { runFolder } from '../setup.ts';
import type { LoadMessage, LoadPlan, LoadResult } from './plan.ts';

/** Connecting 10,000 clients and starting up, beyond what the plan itself takes. */
const SLACK_MS = 40_000;

export type Driver = 'own' | 'autocannon';

let autocannonCommand: Promise<readonly string[]> | null = null;

/** Node runs no TypeScript of ours, so that process is bundled for it; without Node, Bun runs it as it is. */
async function bundleAutocannon(): Promise<readonly string[]> {
  const source = join(import.meta.dir, 'autocannon-process.ts');
  const node = Bun.which('node');
  if (node === null) return [process.execPath, source];
  mkdirSync(runFolder, { recursive: true });
  const built = await Bun.build({ entrypoints: [source], outdir: runFolder, target: 'node', format: 'esm' });
  const [output] = built.outputs;
  if (!built.success || output === undefined) throw new Error('could not bundle the autocannon process');
  return [node, output.path];
}

function commandOf(driver: Driver): Promise<readonly string[]> {
  if (driver === 'own') return Promise.resolve([process.execPath, join(import.meta.dir, 'process.ts')]);
  autocannonCommand ??= bundleAutocannon();
  return autocannonCommand;
}

/** Runs one plan in a load process of its own. `onMark` is called as the measured window begins and ends. */
export async function runLoad(
  plan: LoadPlan,
  onMark: (mark: 'window-start' | 'window-end') => void,
  driver: Driver = 'own',
): Promise<LoadResult> {
  const cooldownMs = plan.pace.kind === 'open' ? plan.pace.cooldownMs : 0;
  const child = Bun.spawn([...(await commandOf(driver))], {
    stdin: Buffer.from(JSON.stringify(plan)),
    stdout: 'pipe',
    stderr: 'inherit',
    timeout: Math.ceil(plan.warmupMs + plan.windowMs + cooldownMs + plan.timeoutMs + SLACK_MS),
    killSignal: 'SIGKILL',
  });
  let result: LoadResult | null = null;
  const read = (line: string): void => {
    const message = JSON.parse(line) as LoadMessage;
    switch (message.kind) {
      case 'mark':
        onMark(message.mark);
        break;
      case 'result':
        result = message.result;
        break;
      case 'failed':
        throw new Error(`the load process failed: ${message.message}`);
    }
  };
  try {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const bytes of child.stdout) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) read(line);
    }
  } finally {
    child.kill('SIGKILL');
    await child.exited;
  }
  if (result === null) throw new Error('the load process ended without a result');
  return result;
}
