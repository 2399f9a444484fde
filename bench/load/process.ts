import { Generator } from './generator.ts';
import type { LoadMessage, LoadPlan } from './plan.ts';

/** A load process: one plan in as JSON, marks and one result out, a line of JSON each. */
const say = (message: LoadMessage): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

try {
  const plan = (await Bun.stdin.json()) as LoadPlan;
  const result = await new Generator(plan, (mark) => say({ kind: 'mark', mark })).run();
  say({ kind: 'result', result });
  process.exit(0);
} catch (error) {
  say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
