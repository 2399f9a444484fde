import type { Rivals } from '../setup.ts';
import type { Sample } from './sample.ts';

/** How a run was asked for. */
export interface BenchContext {
  readonly rivals: Rivals;
  /** Short windows and one round: shows that it works, measures little. */
  readonly quick: boolean;
  /** Gateways to leave out are those not named; null = all. */
  readonly only: readonly string[] | null;
  readonly log: (line: string) => void;
}

export type Cell = string | number | null;

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly note?: string;
}

export interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** `percentile`: x is a percentile, drawn so that 90, 99, 99.9 are equally far apart. */
  readonly xScale: 'linear' | 'log' | 'percentile';
  readonly yScale: 'linear' | 'log';
  readonly series: readonly {
    readonly name: string;
    readonly points: readonly (readonly [number, number])[];
  }[];
}

/** One number that has to be met. */
export interface Check {
  readonly name: string;
  readonly measured: number;
  readonly limit: number;
  readonly unit: string;
  readonly relation: 'at most' | 'at least';
  readonly met: boolean;
}

export interface ScenarioOutcome {
  readonly tables: readonly Table[];
  readonly plots: readonly Plot[];
  readonly checks: readonly Check[];
  readonly notes: readonly string[];
  readonly samples: readonly Sample[];
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** What is done and how to read it, for the report. */
  readonly method: string;
  /** Too long for a whole run: only when asked for by its name. */
  readonly byNameOnly?: boolean;
  run(context: BenchContext): Promise<ScenarioOutcome>;
}

/** Compares a figure with what it has to be; a figure that could not be had is not met. */
export function check(
  name: string,
  measured: number,
  relation: 'at most' | 'at least',
  limit: number,
  unit: string,
): Check {
  const met = Number.isFinite(measured) && (relation === 'at most' ? measured <= limit : measured >= limit);
  return { name, measured, limit, unit, relation, met };
}
