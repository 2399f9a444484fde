import { describe, test } from 'bun:test';

/** Registers a group or a test, as `describe` and `test` of `bun:test` do. */
interface Registrar {
  readonly describe: (name: string, body: () => void | Promise<void>) => void;
  readonly test: (name: string, body: () => void | Promise<unknown>, timeoutMs?: number) => void;
}

const SKIPPED = /\[skipped: ([^\]]*)\]/;

/**
 * For tests of what not every machine has: runs them where it is `present`, and elsewhere skips them by name and says why, in
 * words that follow "skipped: 3 tests …" (`without openssl`). The reason stands in the name, so that bun shows it beside each test
 * and `test/run.ts` finds it in bun's report. A group's body runs either way, to name its tests; it must bear the absence.
 */
export function skipUnless(present: boolean, reason: string): Registrar {
  if (present) return { describe, test };
  const named = (name: string): string => `${name} [skipped: ${reason}]`;
  if (reasonIn(named('')) !== reason) throw new Error(`not to be found again in a name: ${reason}`);
  return {
    describe: (name, body) => describe.skip(named(name), body),
    test: (name, body, timeoutMs) => test.skip(named(name), body, timeoutMs),
  };
}

/** Why the test of that name, or a group around it, is skipped; null where that was said by nobody. */
export function reasonIn(name: string): string | null {
  return SKIPPED.exec(name)?.[1] ?? null;
}
