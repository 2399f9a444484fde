import { naiveParse, naiveWrite, type NaiveValue } from '../../std/json/testing/naive.ts';

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

const isNull = (value: NaiveValue | undefined): boolean =>
  value?.kind === 'literal' && value.source === 'null';

const BLOCK_ORDER =
  'type id tool_use_id name input text source content is_error thinking signature data title context citations cache_control'.split(
    ' ',
  );
const RUN_BY_CLIENT = /^(bash|browser_toolset|computer|memory|text_editor)_/;

/** A Messages block: keys in order, a mark that is null left out, blocks in it alike. */
function block(value: NaiveValue): NaiveValue {
  if (value.kind !== 'object') return value;
  const type = member(value, 'type');
  const nests =
    type?.kind === 'string' && ['tool_result', 'search_result', 'mcp_tool_result'].includes(type.text);
  const { entries } = ordered(value, BLOCK_ORDER) as { entries: Entries };
  return {
    kind: 'object',
    entries: entries
      .filter(([key, inner]) => key !== 'cache_control' || !isNull(inner))
      .map(([key, inner]) => [key, nests && key === 'content' ? blocks(inner) : inner]),
  };
}

const blocks = (value: NaiveValue): NaiveValue =>
  value.kind === 'array' ? { kind: 'array', items: value.items.map(block) } : value;

/** Tools by name, the vendor's own and nameless ones behind them; marks keep their place in the list. */
function messagesTools(value: NaiveValue, toolSort: boolean): NaiveValue {
  if (value.kind !== 'array') return value;
  const nameOf = (tool: NaiveValue): string | null => {
    const [type, name] = [member(tool, 'type'), member(tool, 'name')];
    if (type?.kind === 'string' && type.text !== 'custom' && !RUN_BY_CLIENT.test(type.text)) return null;
    return name?.kind === 'string' ? name.text : null;
  };
  const order = toolSort
    ? value.items.toSorted((one, other) => {
        const [left, right] = [nameOf(one), nameOf(other)];
        if (left === null || right === null) return Number(left === null) - Number(right === null);
        return left < right ? -1 : left > right ? 1 : 0;
      })
    : value.items;
  const isMark = ([key, inner]: Entries[number]): boolean => key === 'cache_control' && !isNull(inner);
  const refuses = (tool: NaiveValue): boolean => {
    const deferred = member(tool, 'defer_loading');
    return entriesOf(tool).length === 0 || (deferred?.kind === 'literal' && deferred.source === 'true');
  };
  const tooMany = value.items.filter((tool) => entriesOf(tool).some(isMark)).length > 4;
  const marks = new Map<number, Entries[number]>();
  for (const [given, tool] of value.items.entries()) {
    const mark = entriesOf(tool).find(isMark);
    let place = tooMany ? order.indexOf(tool) : given;
    if (!tooMany && order[place] !== tool)
      while (place >= 0 && (refuses(order[place]!) || marks.has(place))) place--;
    if (mark !== undefined && place >= 0) marks.set(place, mark);
  }
  return {
    kind: 'array',
    items: order.map((tool, place) => {
      const mark = marks.get(place);
      const rest = entriesOf(tool).filter(([key]) => key !== 'cache_control');
      return { kind: 'object', entries: mark === undefined ? rest : [...rest, mark] };
    }),
  };
}

/** The twin for Messages bodies. */
export function naiveMessagesBody(text: string, toolSort = true): string {
  const body = naiveParse(text);
  const messages = member(body, 'messages');
  const items = messages?.kind === 'array' ? messages.items : [];
  const rest = entriesOf(ordered(body, ['model', 'tools', 'system'])).filter(([key]) => key !== 'messages');
  const entries: Entries = [
    ...rest.map(([key, value]): Entries[number] => {
      if (key === 'tools') return [key, messagesTools(value, toolSort)];
      return [key, key === 'system' ? blocks(value) : value];
    }),
    [
      'messages',
      {
        kind: 'array',
        items: items.map((one) => ({
          kind: 'object',
          entries: entriesOf(ordered(one, ['role', 'content'])).map(([key, value]) => [
            key,
            key === 'content' ? blocks(value) : value,
          ]),
        })),
      },
    ],
  ];
  return naiveWrite({ kind: 'object', entries });
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
