import { expect, test } from 'bun:test';
import { runChaos } from './chaos/run.ts';

/** The short form of `make chaos`. */
test('whatever dies, fails or leaves, answers are right and everything is given back', async () => {
  const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000);
  console.log(`CHAOS_SEED=${seed}`);
  const report = await runChaos({ seed, durationMs: 8_000, ratePerS: 150, deathEveryMs: 1_500 });
  expect(report.wrong).toEqual([]);
  expect(report.deaths).toBeGreaterThanOrEqual(4);
  expect(report.statuses.get(200) ?? 0).toBeGreaterThan(100);
}, 120_000);
