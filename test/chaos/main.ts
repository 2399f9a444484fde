import { runChaos } from './run.ts';

/** `make chaos`: ten minutes at 2,000 requests a second, unless told otherwise. Ends with 1 where something was wrong. */
const { DURATION_S = '600', RATE = '2000', SEED = String(Date.now() % 1_000_000) } = process.env;

console.log(`SEED=${SEED}`);
const report = await runChaos({
  seed: Number(SEED),
  durationMs: Number(DURATION_S) * 1_000,
  ratePerS: Number(RATE),
  deathEveryMs: 5_000,
});
const { wrong, statuses, ...counts } = report;
console.log({ ...counts, statuses: Object.fromEntries(statuses) });
for (const what of wrong) console.log(`wrong: ${what}`);
console.log(wrong.length === 0 ? 'nothing is wrong' : 'something is wrong');
process.exit(wrong.length === 0 ? 0 : 1);
