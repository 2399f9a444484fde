import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { jsonText } from '../std/json/testing/arbitrary.ts';
import { MESSAGES, runTo } from './testing/pipeline.ts';

/** The tools as the Arranger leaves them, decoded. */
function arranged(
  tools: readonly unknown[],
  passthrough = false,
  [options, input]: typeof MESSAGES = [{}, {}],
): unknown[] {
  const messages = [{ role: 'user', content: 'x' }];
  const body = JSON.stringify({ model: 'm', max_tokens: 9, tools, messages });
  const { blocks, document, request } = runTo('arranger', body, options, { ...input, passthrough });
  return Array.from(
    { length: blocks.tools.length },
    (_, index) => JSON.parse(document.source(request.tools.nodes.at(blocks.tools.at(index)))) as unknown,
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

  test('tools of Messages: by name; those that the vendor runs, and nameless ones, behind them as they came', () => {
    const own = [{ name: 'c' }, { type: 'custom', name: 'a' }, { type: 'bash_20250124', name: 'bash' }];
    const vendors = [
      { type: 'web_search_20250305', name: 'web_search' },
      { type: 'mcp_toolset', mcp_server_name: 's' },
      { type: 'code_execution_20260120', name: 'code_execution' },
    ];
    const mixed = [vendors[0], own[0], vendors[1], own[1], own[2], vendors[2]];
    expect(arranged(mixed, false, MESSAGES)).toEqual([own[1], own[2], own[0], ...vendors]);
  });

  test('byte-exact mode keeps the order', () => {
    expect(arranged([named('b'), named('a')], true)).toEqual([named('b'), named('a')]);
  });
});
