import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skippedIn, skippedLine } from './support/skipped.ts';

/**
 * `bun test`, and at its end one line that says what was skipped and why. Takes the arguments of `bun test`; its output goes where
 * it would without this program, and its exit code, or 128 and the number of the signal that ended it, is passed on.
 */
const TIMEOUT_MS = 60_000;

const asked = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'tokenrouter-test-'));
const report = join(folder, 'report.xml');
try {
  const child = Bun.spawn(
    [
      process.execPath,
      'test',
      `--timeout=${TIMEOUT_MS}`,
      '--reporter=junit',
      `--reporter-outfile=${report}`,
      ...asked,
    ],
    { stdio: ['inherit', 'inherit', 'inherit'] },
  );
  // Ctrl-C reaches both; whoever ends this program alone means the tests.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  const code = await child.exited;
  // Of a child that a signal has ended it is 128 and the signal's number.
  process.exitCode = code;
  if (child.signalCode !== null) console.error(`the tests were ended by ${child.signalCode}`);
  // There is none where bun was ended, or found no test.
  if (existsSync(report)) {
    const filtered = asked.some((argument) => /^(-t|--test-name-pattern)/.test(argument));
    const line = skippedLine(skippedIn(readFileSync(report, 'utf8'), filtered));
    // Where bun's own summary goes.
    if (line !== '') console.error(line);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
