import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { IntList } from './int-list.ts';

const listOf = (values: readonly number[]): IntList => {
  const list = new IntList();
  for (const value of values) list.push(value);
  return list;
};
const valuesOf = (list: IntList): number[] =>
  Array.from({ length: list.length }, (_, index) => list.at(index));

describe('IntList', () => {
  test('keeps what is pushed, past its first capacity', () => {
    const values = Array.from({ length: 1000 }, (_, index) => index * 3 - 500);
    const list = listOf(values);
    list.set(3, 7);
    expect(valuesOf(list)).toEqual(values.with(3, 7));
    list.clear();
    expect(list.length).toBe(0);
  });

  test('sorts stably, whichever way its length takes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40), { maxLength: 100 }), (ranks) => {
        const list = listOf(ranks.map((_, index) => index));
        list.sort((one, other) => ranks[one]! - ranks[other]!);
        const expected = ranks.map((_, index) => index).toSorted((one, other) => ranks[one]! - ranks[other]!);
        expect(valuesOf(list)).toEqual(expected);
      }),
    );
  });
});
