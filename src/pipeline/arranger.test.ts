import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { jsonText } from '../std/json/arbitrary-fixture.ts';
import { runTo } from './pipeline-fixture.ts';

/** The tools as the Arranger leaves them, decoded. */
function arranged(tools: readonly unknown[], passthrough = false): unknown[] {
  const body = JSON.stringify({ model: 'm', tools, messages: [{ role: 'user', content: 'x' }] });
  const { blocks, document } = runTo('arranger', body, {}, { passthrough });
  return Array.from(
    { length: blocks.tools.length },
    (_, index) => JSON.parse(document.source(blocks.tools.at(index))) as unknown,
  );
}
const named = (name: string, mark = 0): unknown => ({ type: 'function', function: { name, mark } });

describe('arranger', () => {
  test('sorts by name, wherever it stands', () => {
    const [one, two, three] = [{ type: 'custom', custom: { name: 'b' } }, { name: 'c' }, named('a')];
    expect(arranged([one, two, three])).toEqual([three, one, two]);
  });

  test('equal names keep their order, nameless tools follow in theirs', () => {
    const nameless = [{ type: 'x' }, { type: 'y', function: 7 }, { type: 'z', function: { name: 5 } }];
    expect(
      arranged([nameless[0], named('b', 1), nameless[1], named('a'), named('b', 2), nameless[2]]),
    ).toEqual([named('a'), named('b', 1), named('b', 2), ...nameless]);
  });

  test('any list of names comes out as a stable sort by code units would', () => {
    fc.assert(
      fc.property(fc.array(jsonText, { maxLength: 60 }), (names) => {
        const tools = names.map((name, mark) => named(name, mark));
        const order = names
          .map((_, index) => index)
          .toSorted((one, other) => {
            const [left, right] = [names[one]!, names[other]!];
            return left < right ? -1 : left > right ? 1 : 0;
          });
        expect(arranged(tools)).toEqual(order.map((index) => tools[index]));
      }),
    );
  });

  test('byte-exact mode keeps the order', () => {
    expect(arranged([named('b'), named('a')], true)).toEqual([named('b'), named('a')]);
  });
});
