import { join } from 'node:path';

const TIMEOUT_MS = 180_000;

/** Runs a probe in a fresh process, so that no other's compiled code and heap are in its way, and reads its JSON. */
export async function runProbe(name: string, ...rest: readonly string[]): Promise<unknown> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, `${name}.ts`), ...rest], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`the probe ${name} failed`);
  return JSON.parse(text);
}
