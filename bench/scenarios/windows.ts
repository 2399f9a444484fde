import type { BenchContext } from './types.ts';

export interface Windows {
  readonly warmupMs: number;
  readonly windowMs: number;
  readonly parts: number;
  readonly rounds: number;
}

/** How long a comparison measures: `full` as given, or just long enough to show that it works. */
export function windowsOf(context: BenchContext, full: Windows): Windows {
  if (!context.quick) return full;
  return { warmupMs: Math.min(full.warmupMs, 800), windowMs: 1200, parts: 2, rounds: 1 };
}
