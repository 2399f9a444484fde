import { expect, test } from 'bun:test';
import { fitLine, median, round3 } from './statistics.ts';

test('median takes the middle and leaves its input alone', () => {
  const values = [5, 1, 4];
  expect(median(values)).toBe(4);
  expect(values).toEqual([5, 1, 4]);
  expect(median([1, 2, 3, 10])).toBe(2.5);
  expect(median([7])).toBe(7);
  expect(median([])).toBeNaN();
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
