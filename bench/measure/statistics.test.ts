import { expect, test } from 'bun:test';
import { fitLine, median, round3, share } from './statistics.ts';

test('median takes the middle and leaves its input alone', () => {
  const values = [5, 1, 4];
  expect(median(values)).toBe(4);
  expect(values).toEqual([5, 1, 4]);
  expect(median([1, 2, 3, 10])).toBe(2.5);
  expect(median([7])).toBe(7);
  expect(median([])).toBeNaN();
});

test('a value that could not be had is not made up from the others', () => {
  expect(median([1, Number.NaN, 3])).toBeNaN();
  expect(median([Number.NaN, 1, 2])).toBeNaN();
});

test('a share of nothing is unknown, not zero', () => {
  expect(share(1, 4)).toBe(0.25);
  expect(share(0, 4)).toBe(0);
  expect(share(0, 0)).toBeNaN();
  expect(share(420_000, 0)).toBeNaN();
});

test('fitLine finds slope and intercept', () => {
  const line = fitLine([
    [1, 5],
    [2, 7],
    [3, 9],
  ]);
  expect(line.slope).toBeCloseTo(2, 10);
  expect(line.intercept).toBeCloseTo(3, 10);
});

test('fitLine of one point is level', () => {
  expect(fitLine([[4, 9]])).toEqual({ slope: 0, intercept: 9 });
});

test('round3 keeps three digits and what is not a number', () => {
  expect(round3(1234.5)).toBe(1230);
  expect(round3(0.012345)).toBe(0.0123);
  expect(round3(Number.NaN)).toBeNaN();
});
