import { expect, test } from 'bun:test';
import { Retention } from './retention.ts';

test('memory within what is kept stays', () => {
  const retention = new Retention(100);
  for (let use = 0; use < 200; use++) expect(retention.shouldShrink(1, 100)).toBe(false);
});

test('memory beyond goes back after 32 small uses in a row', () => {
  const retention = new Retention(100);
  for (let use = 0; use < 31; use++) expect(retention.shouldShrink(100, 500)).toBe(false);
  expect(retention.shouldShrink(100, 500)).toBe(true);
});

test('one large use starts the count anew', () => {
  const retention = new Retention(100);
  for (let use = 0; use < 31; use++) retention.shouldShrink(5, 500);
  expect(retention.shouldShrink(101, 500)).toBe(false);
  for (let use = 0; use < 31; use++) expect(retention.shouldShrink(5, 500)).toBe(false);
  expect(retention.shouldShrink(5, 500)).toBe(true);
});
