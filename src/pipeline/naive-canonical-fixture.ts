import { naiveParse, naiveWrite, type NaiveValue } from '../std/json/naive-fixture.ts';

type Entries = readonly (readonly [string, NaiveValue])[];

const MESSAGE_ORDER = ['role', 'content', 'name', 'tool_call_id', 'reasoning_content', 'tool_calls'];
const PART_ORDER = ['type', 'text'];

const entriesOf = (value: NaiveValue | undefined): Entries => (value?.kind === 'object' ? value.entries : []);
const member = (value: NaiveValue | undefined, key: string): NaiveValue | undefined =>
  entriesOf(value).find(([name]) => name === key)?.[1];

/** The named keys first, the others by UTF-16 code units. */
function ordered(value: NaiveValue, names: readonly string[]): NaiveValue {
  const rank = (key: string): number => (names.includes(key) ? names.indexOf(key) : names.length);
  const entries = entriesOf(value).toSorted(
    ([one], [other]) => rank(one) - rank(other) || (one < other ? -1 : one > other ? 1 : 0),
  );
  return { kind: 'object', entries };
}

function toolName(tool: NaiveValue): string | null {
  for (const holder of [member(tool, 'function'), member(tool, 'custom'), tool]) {
    const name = member(holder, 'name');
    if (name?.kind === 'string') return name.text;
  }
  return null;
}

function sortedTools(tools: NaiveValue): NaiveValue {
  if (tools.kind !== 'array') return tools;
  const items = tools.items.toSorted((one, other) => {
    const [left, right] = [toolName(one), toolName(other)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return left < right ? -1 : left > right ? 1 : 0;
  });
  return { kind: 'array', items };
}

function message(value: NaiveValue): NaiveValue {
  const { entries } = ordered(value, MESSAGE_ORDER) as { entries: Entries };
  return {
    kind: 'object',
    entries: entries.map(([key, inner]) =>
      key === 'content' && inner.kind === 'array'
        ? [key, { kind: 'array', items: inner.items.map((part) => ordered(part, PART_ORDER)) }]
        : [key, inner],
    ),
  };
}

/** The canonical body as the design says it, built the slow and obvious way: twin of Arranger and Canonicalizer. */
export function naiveCanonicalBody(text: string, toolSort = true): string {
  const body = naiveParse(text);
  const messages = member(body, 'messages');
  const rest = entriesOf(ordered(body, ['model'])).filter(([key]) => key !== 'messages');
  const entries: Entries = [
    ...rest.map(([key, value]) => [key, key === 'tools' && toolSort ? sortedTools(value) : value] as const),
    [
      'messages',
      { kind: 'array', items: messages?.kind === 'array' ? messages.items.map(message) : [] },
    ] as const,
  ];
  return naiveWrite({ kind: 'object', entries });
}
