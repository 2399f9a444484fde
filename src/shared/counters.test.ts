import { describe, expect, test } from 'bun:test';
import { LABEL_BYTES, MAX_ROWS, METRIC_WORDS } from './counter-layout.ts';
import { sumMetrics } from './counter-sum.ts';
import { WorkerMetrics } from './counters.ts';
import { LATENCY_BOUNDS_S, STATUSES } from './labels.ts';
import { createMemory, releaseWorker } from './memory-map.ts';

const memory = () =>
  createMemory({ workers: 2, metricWords: METRIC_WORDS, labelBytes: MAX_ROWS * LABEL_BYTES, maxKeys: 4 });

describe('counters', () => {
  test('what threads count apart is one sum by label', () => {
    const shared = memory();
    const [one, two] = [new WorkerMetrics(shared, 0), new WorkerMetrics(shared, 1)];
    one.row('deepseek', 'other');
    for (const metrics of [one, two]) {
      const row = metrics.row('openai', 'gpt-4o');
      metrics.status(row, 200, true);
      metrics.times(row, 30, 2, 10);
      metrics.tokens(row, 0, 5);
      metrics.cost(row, 7);
      metrics.dedup(1);
      metrics.stage(3, 0.02);
    }
    const sum = sumMetrics(shared);
    const row = sum.rows.find((each) => each.model === 'gpt-4o')!;
    expect(row.requests[STATUSES.indexOf(200) * 2 + 1]).toBe(2);
    expect([row.tokens[0], row.costNanoUsd]).toEqual([10, 14]);
    expect(row.duration).toMatchObject({ sum: 0.06, count: 2 });
    expect(row.duration.buckets[LATENCY_BOUNDS_S.findIndex((bound) => bound >= 0.03)]).toBe(2);
    expect(sum.dedup).toEqual([0, 2, 0]);
    expect(sum.stages[3]!.count).toBe(2);
  });

  test('a value beyond the last bound lies in the last bucket, a status that is not listed under other', () => {
    const shared = memory();
    const metrics = new WorkerMetrics(shared, 0);
    const row = metrics.row('p', 'm');
    metrics.times(row, 1e9, 0, -1);
    metrics.status(row, 418, false);
    const [sum] = sumMetrics(shared).rows;
    expect(sum!.duration.buckets.at(-1)).toBe(1);
    expect(sum!.firstToken.count).toBe(0);
    expect(sum!.requests[(STATUSES.length - 1) * 2]).toBe(1);
  });

  test('labels are bounded: what finds no row, or is too long, counts as other', () => {
    const shared = memory();
    const metrics = new WorkerMetrics(shared, 0);
    metrics.status(metrics.row('p', 'x'.repeat(500)), 200, false);
    for (let model = 0; model < 1_000; model++) metrics.status(metrics.row('p', `m${model}`), 200, false);
    const { rows } = sumMetrics(shared);
    expect(rows.length).toBeLessThanOrEqual(MAX_ROWS);
    const total = rows.reduce((sum, row) => sum + row.requests[0]!, 0);
    expect(total).toBe(1_001);
    expect(rows.find((row) => row.model === 'other')!.requests[0]).toBeGreaterThan(700);
  });

  test("a successor goes on with its predecessor's rows; gauges are given back, counters stay", () => {
    const shared = memory();
    const first = new WorkerMetrics(shared, 0);
    const row = first.row('p', 'm');
    first.status(row, 200, false);
    first.addInFlight(1, 3);
    first.connections(0, 1, 2, 3);
    releaseWorker(shared, 0);
    const next = new WorkerMetrics(shared, 0);
    expect(next.row('p', 'm')).toBe(row);
    next.status(row, 200, false);
    expect(sumMetrics(shared).rows[0]!.requests[0]).toBe(2);
    expect(next.sumInFlight(1)).toBe(0);
    expect([...shared.connections].every((value) => value === 0)).toBe(true);
  });
});
