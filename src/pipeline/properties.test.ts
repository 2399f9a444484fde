import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, jsonValue, spell } from '../std/json/testing/arbitrary.ts';
import { naiveParse, type NaiveValue } from '../std/json/testing/naive.ts';
import { naiveCanonicalBody } from './testing/naive-canonical.ts';
import { hexOf, inputOf, OPTIONS, textOf } from './testing/pipeline.ts';
import { Pipeline } from './pipeline.ts';
import type { Prepared } from './prepared.ts';

type Entry = readonly [string, NaiveValue];
type Tree = Extract<NaiveValue, { kind: 'object' }>;

const string = (text: string): NaiveValue => ({ kind: 'string', text });
const array = (items: readonly NaiveValue[]): NaiveValue => ({ kind: 'array', items });
const object = (entries: readonly Entry[]): Tree => ({ kind: 'object', entries });

/** Unknown members, beside known ones whose names they must not take. */
const unknown = (taken: readonly string[]): fc.Arbitrary<Entry[]> =>
  fc
    .uniqueArray(fc.tuple(jsonText, jsonValue), { maxLength: 3, selector: ([name]) => name })
    .map((entries) => entries.filter(([name]) => !taken.includes(name)));

const part: fc.Arbitrary<Tree> = fc
  .tuple(jsonText, unknown(['type', 'text']))
  .map(([text, rest]) => object([['type', string('text')], ['text', string(text)], ...rest]));
const content = fc.oneof(jsonText.map(string), fc.array(part, { maxLength: 3 }).map(array));
const toolCall = fc.tuple(jsonText, jsonText).map(([name, args]) =>
  object([
    ['id', string('call')],
    ['type', string('function')],
    [
      'function',
      object([
        ['name', string(name)],
        ['arguments', string(args)],
      ]),
    ],
  ]),
);

/** A message as entries; its content is the second of them. */
const message: fc.Arbitrary<Tree> = fc
  .tuple(
    fc.constantFrom('user', 'assistant', 'tool', 'system', 'developer'),
    content,
    fc.array(toolCall, { maxLength: 2 }),
    unknown(['role', 'content', 'tool_calls']),
  )
  .map(([role, body, calls, rest]) =>
    object([
      ['role', string(role)],
      ['content', body],
      ...(calls.length > 0 ? [['tool_calls', array(calls)] as const] : []),
      ...rest,
    ]),
  );
const tool = fc.tuple(jsonText, jsonValue).map(([name, parameters]) =>
  object([
    ['type', string('function')],
    [
      'function',
      object([
        ['name', string(name)],
        ['parameters', parameters],
      ]),
    ],
  ]),
);

const TAKEN = new Set([
  'model',
  'messages',
  'tools',
  'stream',
  'stream_options',
  'prompt_cache_key',
  'n',
  'seed',
  'user',
  'stop',
]);
const head = fc
  .tuple(
    fc.uniqueArray(tool, { maxLength: 5, selector: ({ entries }) => JSON.stringify(entries[1]) }),
    fc.boolean(),
    unknown([...TAKEN]),
  )
  .map(([tools, stream, rest]) => {
    const entries: Entry[] = [['model', string('m')]];
    if (tools.length > 0) entries.push(['tools', array(tools)]);
    if (stream) entries.push(['stream', { kind: 'literal', source: 'true' }]);
    return entries.concat(rest);
  });

const bodyOf = (entries: readonly Entry[], messages: readonly NaiveValue[]): Tree =>
  object([...entries, ['messages', array(messages)]]);

/** The same body with the keys of its typed wrappers in another order. */
function shuffled(body: Tree, pick: (below: number) => number): Tree {
  const mix = (entries: readonly Entry[]): Entry[] => {
    const out = [...entries];
    for (let at = out.length - 1; at > 0; at--) {
      const other = pick(at + 1);
      [out[at], out[other]] = [out[other]!, out[at]!];
    }
    return out;
  };
  const wrapped = (value: NaiveValue, inner: (key: string, value: NaiveValue) => NaiveValue): NaiveValue =>
    value.kind === 'object' ? object(mix(value.entries).map(([key, one]) => [key, inner(key, one)])) : value;
  const each = (value: NaiveValue, change: (one: NaiveValue) => NaiveValue): NaiveValue =>
    value.kind === 'array' ? array(value.items.map(change)) : value;
  const same = (_: string, value: NaiveValue): NaiveValue => value;
  return wrapped(body, (key, value) =>
    key === 'messages'
      ? each(value, (one) =>
          wrapped(one, (name, inner) =>
            name === 'content' ? each(inner, (piece) => wrapped(piece, same)) : inner,
          ),
        )
      : value,
  ) as Tree;
}

const pipeline = new Pipeline(OPTIONS);
const bare = new Pipeline({ ...OPTIONS, cacheInject: false });
const unsorted = new Pipeline({ ...OPTIONS, cacheInject: false, toolSort: false });
const prepare = (body: NaiveValue, pick: (below: number) => number): Prepared =>
  pipeline.prepare(inputOf(spell(body, pick)));
const plainly = (): number => 0;
const messages = fc.array(message, { minLength: 1, maxLength: 6 });

describe('pipeline', () => {
  test('equals the naive twin, and running it again changes nothing', () => {
    fc.assert(
      fc.property(head, messages, fc.integer(), (entries, list, seed) => {
        const body = bodyOf(
          entries.filter(([key]) => key !== 'stream'),
          list,
        );
        const text = spell(shuffled(body, choices(seed)), choices(seed + 1));
        const sent = textOf(bare.prepare(inputOf(text)));
        expect(sent).toBe(naiveCanonicalBody(text));
        expect(textOf(bare.prepare(inputOf(sent)))).toBe(sent);
        expect(textOf(unsorted.prepare(inputOf(text)))).toBe(naiveCanonicalBody(text, false));
      }),
      { numRuns: 200 },
    );
  });

  test('spelling and order of wrapper keys change neither body nor hashes', () => {
    fc.assert(
      fc.property(head, messages, fc.integer(), (entries, list, seed) => {
        const body = bodyOf(entries, list);
        const one = prepare(body, plainly);
        const other = prepare(shuffled(body, choices(seed)), choices(seed + 1));
        expect(textOf(other)).toBe(textOf(one));
        expect(hexOf(other.fullHash)).toBe(hexOf(one.fullHash));
        expect(other.prefixHash).toBe(one.prefixHash);
        expect(other.affinityHash).toBe(one.affinityHash);
        // What goes out is JSON without a key that is there twice.
        naiveParse(textOf(one));
      }),
      { numRuns: 200 },
    );
  });

  test('a changed content string is another call', () => {
    fc.assert(
      fc.property(head, messages, jsonText, fc.nat(), (entries, list, text, place) => {
        const at = place % list.length;
        const before = list[at]!;
        fc.pre(JSON.stringify(before.entries[1]) !== JSON.stringify(['content', string(text)]));
        const changed = object(before.entries.with(1, ['content', string(text)]));
        const one = prepare(bodyOf(entries, list), plainly);
        const other = prepare(bodyOf(entries, list.with(at, changed)), plainly);
        expect(hexOf(other.fullHash)).not.toBe(hexOf(one.fullHash));
      }),
      { numRuns: 200 },
    );
  });

  test('turns append: what was sent for a turn opens what is sent for the next', () => {
    const turn = fc.tuple(content, content);
    fc.assert(
      fc.property(
        head,
        message,
        fc.array(turn, { minLength: 1, maxLength: 4 }),
        fc.integer(),
        (entries, first, turns, seed) => {
          const list: NaiveValue[] = [
            first,
            object([
              ['role', string('user')],
              ['content', string('hi')],
            ]),
          ];
          let earlier: { head: string; messages: string; affinity: number } | null = null;
          for (const [index, [answer, question]] of [null, ...turns]
            .map((one) => one ?? [null, null])
            .entries()) {
            if (answer !== null && question !== null) {
              list.push(
                object([
                  ['role', string('assistant')],
                  ['content', answer],
                ]),
              );
              list.push(
                object([
                  ['role', string('user')],
                  ['content', question],
                ]),
              );
            }
            const prepared = prepare(
              shuffled(bodyOf(entries, list), choices(seed + index)),
              choices(seed - index),
            );
            const text = textOf(prepared);
            const at = text.lastIndexOf(',"messages":[');
            const now = {
              head: text.slice(0, at),
              messages: text.slice(at, -2),
              affinity: prepared.affinityHash,
            };
            if (earlier !== null) {
              expect(now.head).toBe(earlier.head);
              expect(now.messages.startsWith(`${earlier.messages},`)).toBe(true);
              expect(now.affinity).toBe(earlier.affinity);
            }
            earlier = now;
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
