import type { Gateway } from '../gateways/types.ts';
import { medianOf, ratioOf } from './compare.ts';
import type { Sample } from './sample.ts';
import type { Cell, Table } from './types.ts';

export interface Column {
  readonly title: string;
  value(samples: readonly Sample[], variant: string, gateway: string): Cell;
}

/** Median over the rounds. */
export function figure(title: string, of: (sample: Sample) => number): Column {
  return { title, value: (samples, variant, gateway) => medianOf(samples, variant, gateway, of) };
}

/** Ratio to nginx in the same round, median over the rounds. */
export function timesNginx(title: string, of: (sample: Sample) => number): Column {
  return {
    title,
    value: (samples, variant, gateway) => ratioOf(samples, variant, gateway, 'nginx', of),
  };
}

/** CPU that a gateway used; nothing where there is none. */
export function cpuFigure(title: string, of: (sample: Sample) => number): Column {
  return {
    title,
    value: (samples, variant, gateway) =>
      gateway === 'direct' ? null : medianOf(samples, variant, gateway, of),
  };
}

export const errors: Column = {
  title: 'errors',
  value: (samples, variant, gateway) => {
    const kinds: Record<string, number> = {};
    for (const sample of samples)
      if (sample.variant === variant && sample.gateway === gateway)
        for (const [kind, count] of Object.entries(sample.errors)) kinds[kind] = (kinds[kind] ?? 0) + count;
    const list = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`);
    return list.length === 0 ? 0 : list.join(', ');
  },
};

/** One row per gateway. */
export function comparisonTable(
  title: string,
  samples: readonly Sample[],
  variant: string,
  gateways: readonly Gateway[],
  columns: readonly Column[],
): Table {
  return {
    title,
    columns: ['gateway', ...columns.map((column) => column.title)],
    rows: gateways.map(({ name }) => [
      name,
      ...columns.map((column) => column.value(samples, variant, name)),
    ]),
  };
}
