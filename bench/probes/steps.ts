import { median } from '../measure/statistics.ts';
import { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { DialectId } from '../../src/providers/types.ts';
import { ownThreadId, threadCpuMs } from '../../src/shared/thread-clock.ts';
import { BODIES } from './large-bodies.ts';
import { inputOf, optionsFor } from './pipeline-options.ts';

/**
 * Prints how long the longest step of preparing a body of the largest size takes, and all of them, in ms of the thread's processor time, by what the
 * body is made of and where it goes. Linux only. Arguments: rounds, of which the median counts (5 when absent), and what the name
 * of a body must have in it.
 */
const ROUNDS = Number(process.argv[2] ?? 5);
const [, , , NAMED = ''] = process.argv;
const ROUTES: readonly (readonly [client: DialectId, vendor: DialectId])[] = [
  ['openai-chat', 'openai-chat'],
  ['openai-chat', 'anthropic-messages'],
  ['anthropic-messages', 'anthropic-messages'],
  ['anthropic-messages', 'openai-chat'],
];

const clock = ownThreadId();
const cpuMs = (): number => threadCpuMs(clock) ?? performance.now();

interface Cost {
  readonly longestMs: number;
  readonly allMs: number;
}

/** Null for a body that is refused. */
function costOf(body: Buffer, [client, vendor]: (typeof ROUTES)[number]): Cost | null {
  const steps = new Pipeline(optionsFor(vendor)).prepareInSteps(inputOf(body, client));
  let longestMs = 0;
  let allMs = 0;
  try {
    for (;;) {
      const startedMs = cpuMs();
      const { done } = steps.next();
      const ms = cpuMs() - startedMs;
      longestMs = Math.max(longestMs, ms);
      allMs += ms;
      if (done === true) return { longestMs, allMs };
    }
  } catch {
    return null;
  }
}

for (const [name, make] of Object.entries(BODIES)) {
  if (!name.includes(NAMED)) continue;
  for (const route of ROUTES) {
    const text = make(route[0]);
    if (text === null) continue;
    const body = Buffer.from(text);
    const rounds = Array.from({ length: ROUNDS + 1 }, () => costOf(body, route))
      .slice(1)
      .filter((one) => one !== null);
    const said =
      rounds.length === 0
        ? 'refused'
        : `${median(rounds.map((one) => one.longestMs)).toFixed(0)} ms of ${median(rounds.map((one) => one.allMs)).toFixed(0)} (at most ${Math.max(...rounds.map((one) => one.longestMs)).toFixed(0)})`;
    console.log(`${route[0]} to ${route[1]}, ${name}: ${said}`);
  }
}
