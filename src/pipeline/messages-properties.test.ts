import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, jsonValue, spell } from '../std/json/testing/arbitrary.ts';
import { naiveParse, type NaiveValue } from '../std/json/testing/naive.ts';
import { naiveMessagesBody } from './testing/naive-canonical.ts';
import { hexOf, inputOf, MESSAGES, OPTIONS, textOf } from './testing/pipeline.ts';
import { Pipeline } from './pipeline.ts';
import type { Prepared } from './prepared.ts';

type Entry = readonly [string, NaiveValue];
type Tree = Extract<NaiveValue, { kind: 'object' }>;

const string = (text: string): NaiveValue => ({ kind: 'string', text });
const literal = (source: string): NaiveValue => ({ kind: 'literal', source });
const array = (items: readonly NaiveValue[]): NaiveValue => ({ kind: 'array', items });
const object = (entries: readonly Entry[]): Tree => ({ kind: 'object', entries });

const [OPTIONS_OF_CLAUDE, INPUT] = MESSAGES;
const pipeline = new Pipeline({ ...OPTIONS, ...OPTIONS_OF_CLAUDE });
const bare = new Pipeline({ ...OPTIONS, ...OPTIONS_OF_CLAUDE, cacheInject: false });
const unsorted = new Pipeline({ ...OPTIONS, ...OPTIONS_OF_CLAUDE, cacheInject: false, toolSort: false });
const run = (one: Pipeline, text: string): Prepared => one.prepare(inputOf(text, INPUT));

const TAKEN = new Set(
  'model messages tools system stream max_tokens cache_control container context_management diagnostics fallback_credit_token inference_geo mcp_servers metadata output_config output_format service_tier speed stop_sequences temperature thinking tool_choice top_k top_p role content type text name id input source tool_use_id is_error signature data title context citations defer_loading'.split(
    ' ',
  ),
);
const unknown: fc.Arbitrary<Entry[]> = fc
  .uniqueArray(fc.tuple(jsonText, jsonValue), { maxLength: 3, selector: ([name]) => name })
  .map((entries) => entries.filter(([name]) => !TAKEN.has(name)));

const mark: fc.Arbitrary<Entry[]> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Entry[]>([]) },
  fc
    .constantFrom<Entry[]>([], [['ttl', string('1h')]], [['ttl', string('5m')]])
    .map((ttl): Entry[] => [['cache_control', object([['type', string('ephemeral')], ...ttl])]]),
  fc.constant<Entry[]>([['cache_control', literal('null')]]),
);

const block = (type: string, members: fc.Arbitrary<Entry[]>): fc.Arbitrary<Tree> =>
  fc
    .tuple(members, unknown, mark)
    .map(([own, rest, marks]) => object([['type', string(type)], ...own, ...rest, ...marks]));

const text = fc
  .tuple(jsonText, fc.boolean(), unknown, mark)
  .map(([said, bare, rest, marks]) =>
    object([['type', string('text')], ['text', string(said)], ...(bare ? [] : rest), ...marks]),
  );
const image = block(
  'image',
  jsonValue.map((value): Entry[] => [['source', value]]),
);
const inner = fc.array(fc.oneof(text, image), { maxLength: 3 }).map(array);
const search = block(
  'search_result',
  inner.map((value): Entry[] => [['content', value]]),
);
const mcp = block(
  'mcp_tool_result',
  inner.map((value): Entry[] => [['content', value]]),
);
const anyBlock = fc.oneof(
  text,
  image,
  search,
  mcp,
  block(
    'tool_use',
    fc.tuple(jsonText, jsonValue).map(([name, input]): Entry[] => [
      ['id', string('toolu_1')],
      ['name', string(name)],
      ['input', input],
    ]),
  ),
  block(
    'tool_result',
    fc
      .oneof(jsonText.map(string), inner, fc.array(search, { maxLength: 2 }).map(array))
      .map((value): Entry[] => [
        ['tool_use_id', string('toolu_1')],
        ['content', value],
      ]),
  ),
  block(
    'thinking',
    jsonText.map((said): Entry[] => [
      ['thinking', string(said)],
      ['signature', string('c2ln')],
    ]),
  ),
  jsonText.chain((type) => block(`server_${type}`, fc.constant([]))),
);
const content = fc.oneof(jsonText.map(string), fc.array(anyBlock, { maxLength: 4 }).map(array));
const message = fc
  .tuple(fc.constantFrom('user', 'assistant', 'system'), content, unknown)
  .map(([role, body, rest]) => object([['role', string(role)], ['content', body], ...rest]));
const tool = fc
  .tuple(
    fc.constantFrom<Entry[]>(
      [],
      [['type', literal('null')]],
      [['type', string('custom')]],
      [['type', string('bash_20250124')]],
      [['type', string('web_search_20250305')]],
    ),
    jsonText,
    jsonValue,
    fc.constantFrom<Entry[]>([], [], [], [['defer_loading', literal('true')]]),
    mark,
    fc.boolean(),
  )
  .map(([type, name, schema, deferred, marks, markFirst]) =>
    object([
      ...(markFirst ? marks : []),
      ...type,
      ['name', string(name)],
      ['input_schema', schema],
      ...deferred,
      ...(markFirst ? [] : marks),
    ]),
  );
const head = fc
  .tuple(
    fc.array(tool, { maxLength: 7 }),
    fc.oneof(fc.constant(null), jsonText.map(string), fc.array(text, { maxLength: 3 }).map(array)),
    unknown,
  )
  .map(([tools, system, rest]): Entry[] => {
    const entries: Entry[] = [
      ['max_tokens', literal('64')],
      ['model', string('claude-opus-4-8')],
    ];
    if (tools.length > 0) entries.push(['tools', array(tools)]);
    if (system !== null) entries.push(['system', system]);
    return entries.concat(rest);
  });
const messages = fc.array(message, { minLength: 1, maxLength: 6 });
const bodyOf = (entries: readonly Entry[], list: readonly NaiveValue[]): Tree =>
  object([...entries, ['messages', array(list)]]);

const TYPED = new Set(['messages', 'system', 'content']);

/** The same body with the keys of its typed wrappers in another order. */
function shuffled(body: NaiveValue, pick: (below: number) => number): NaiveValue {
  if (body.kind !== 'object') return body;
  const out = [...body.entries];
  for (let at = out.length - 1; at > 0; at--) {
    const other = pick(at + 1);
    [out[at], out[other]] = [out[other]!, out[at]!];
  }
  return object(
    out.map(([key, value]) => [
      key,
      TYPED.has(key) && value.kind === 'array' ? array(value.items.map((one) => shuffled(one, pick))) : value,
    ]),
  );
}

describe('Messages bodies', () => {
  test('equal the naive twin, and running one again changes nothing', () => {
    fc.assert(
      fc.property(head, messages, fc.integer(), (entries, list, seed) => {
        const given = spell(shuffled(bodyOf(entries, list), choices(seed)), choices(seed + 1));
        const sent = textOf(run(bare, given));
        expect(sent).toBe(naiveMessagesBody(given));
        expect(textOf(run(bare, sent))).toBe(sent);
        expect(textOf(run(unsorted, given))).toBe(naiveMessagesBody(given, false));
      }),
      { numRuns: 400 },
    );
  });

  test('spelling and order of wrapper keys change neither body nor hashes', () => {
    fc.assert(
      fc.property(head, messages, fc.integer(), (entries, list, seed) => {
        const body = bodyOf(entries, list);
        const one = run(
          pipeline,
          spell(body, () => 0),
        );
        const other = run(pipeline, spell(shuffled(body, choices(seed)), choices(seed + 1)));
        expect(textOf(other)).toBe(textOf(one));
        expect(hexOf(other.fullHash)).toBe(hexOf(one.fullHash));
        expect(other.prefixHash).toBe(one.prefixHash);
        expect(other.affinityHash).toBe(one.affinityHash);
      }),
      { numRuns: 200 },
    );
  });

  test('marks of the client change neither prefix hash nor affinity, wherever they stand', () => {
    fc.assert(
      fc.property(head, messages, fc.integer(), (entries, list, seed) => {
        const body = bodyOf(entries, list);
        const one = run(pipeline, spell(body, choices(seed)));
        const other = run(pipeline, spell(unmarked(body), choices(seed + 1)));
        expect(other.prefixHash).toBe(one.prefixHash);
        expect(other.affinityHash).toBe(one.affinityHash);
      }),
      { numRuns: 300 },
    );
  });

  test('what the gateway adds are marks and nothing else, four in all at most', () => {
    const filler = object([
      ['role', string('user')],
      ['content', string('long enough for every model '.repeat(400))],
    ]);
    fc.assert(
      fc.property(head, messages, fc.integer(), fc.boolean(), (entries, list, seed, automatic) => {
        const extra: Entry[] = automatic ? [['cache_control', object([['type', string('ephemeral')]])]] : [];
        const given = spell(bodyOf([...entries, ...extra], [filler, ...list]), choices(seed));
        const sent = naiveParse(textOf(run(pipeline, given)));
        const plain = naiveParse(textOf(run(bare, given)));
        expect(unmarked(sent)).toEqual(unmarked(plain));
        const before = marksOf(plain);
        const after = marksOf(sent);
        expect(after.length).toBeLessThanOrEqual(Math.max(4, before.length));
        if (before.length < 4 && !automatic) expect(after.length).toBeGreaterThan(0);
        // The client's own are all still there, in their order.
        let next = 0;
        for (const one of after) if (one === before[next]) next++;
        expect(next).toBe(before.length);
        if (inOrder(before)) expect(inOrder(after)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

/** The body without marks, and with a string in the place of each text block that says no more and is alone. */
function unmarked(value: NaiveValue, path = ''): NaiveValue {
  if (value.kind === 'array') {
    const items = value.items.map((one) => unmarked(one, path));
    const [only] = items;
    const isText =
      (path === '/system' || path === '/messages/content') &&
      items.length === 1 &&
      only?.kind === 'object' &&
      only.entries.length === 2 &&
      only.entries[0]?.[0] === 'type' &&
      only.entries[0][1].kind === 'string' &&
      only.entries[0][1].text === 'text' &&
      only.entries[1]?.[0] === 'text';
    return isText ? only.entries[1]![1] : array(items);
  }
  if (value.kind !== 'object') return value;
  return object(
    value.entries
      .filter(([name]) => name !== 'cache_control')
      .map(([name, one]) => [
        name,
        TYPED.has(name) || name === 'tools' ? unmarked(one, `${path}/${name}`) : one,
      ]),
  );
}

/** TTLs of the marks in the order of the text, which is that of the prompt: tools, system, messages. */
function marksOf(value: NaiveValue): string[] {
  if (value.kind === 'array') return value.items.flatMap(marksOf);
  if (value.kind !== 'object') return [];
  return value.entries.flatMap(([key, one]) => {
    if (key === 'cache_control' && one.kind === 'object')
      return [one.entries.some(([, ttl]) => ttl.kind === 'string' && ttl.text === '1h') ? '1h' : '5m'];
    return TYPED.has(key) || key === 'tools' ? marksOf(one) : [];
  });
}

const inOrder = (ttls: readonly string[]): boolean => !/5m.*1h/.test(ttls.join(' '));
