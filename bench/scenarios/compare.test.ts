import { expect, test } from 'bun:test';
import { medianOf, percentileCurve, ratioOf } from './compare.ts';
import { fakeSample } from './testing/sample.ts';
import type { Sample } from './sample.ts';
import { scenarios } from './registry.ts';

const sample = (
  gateway: string,
  round: number,
  cpuUsPerRequest: number,
  latenciesUs: readonly number[] = [],
): Sample => fakeSample({ gateway, round, cpuUsPerRequest }, latenciesUs);

const cpu = (one: Sample): number => one.cpuUsPerRequest;

test('ratios are taken within a round, then their median', () => {
  // The machine was twice as slow in the second round: within each round the ratio is 2.
  const samples = [
    sample('nginx', 0, 10),
    sample('own', 0, 20),
    sample('nginx', 1, 20),
    sample('own', 1, 40),
  ];
  expect(ratioOf(samples, 'v', 'own', 'nginx', cpu)).toBe(2);
  expect(medianOf(samples, 'v', 'own', cpu)).toBe(30);
});

test('a gateway that did not take part has no figure', () => {
  expect(medianOf([sample('own', 0, 1)], 'v', 'nginx', cpu)).toBeNaN();
  expect(ratioOf([sample('own', 0, 1)], 'v', 'own', 'nginx', cpu)).toBeNaN();
});

test('a percentile curve comes from all rounds together and stops where there is no data', () => {
  const curve = percentileCurve(
    [sample('own', 0, 1, [1000]), sample('own', 1, 1, [3000, 3000, 3000])],
    'v',
    'own',
    'latency',
  );
  const at = new Map(curve);
  expect(at.get(50)).toBeCloseTo(3, 1);
  expect(at.get(0)).toBeCloseTo(1, 1);
  expect(at.has(99.9)).toBe(false);
});

test('scenarios have names of their own', () => {
  const names = scenarios.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(scenarios.filter(({ byNameOnly }) => byNameOnly === true).map(({ name }) => name)).toEqual([
    'core',
    'memory',
    'soak',
  ]);
});
