import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import {
  hexOf,
  inputOf,
  MESSAGES,
  OPTIONS,
  prepare,
  routeTo,
  routeToClaude,
  type Setting,
} from './testing/pipeline.ts';
import { Pipeline } from './pipeline.ts';
import type { Prepared } from './prepared.ts';

const message = (role: string, content: string): string => JSON.stringify({ role, content });
const body = (messages: readonly string[], rest = ''): string =>
  `{"model":"m"${rest},"messages":[${messages.join(',')}]}`;
const ONE = body([message('system', 's'), message('user', 'hi')]);
const tools = (...names: readonly string[]): string =>
  `,"tools":[${names.map((name) => `{"type":"function","function":{"name":"${name}"}}`).join(',')}]`;

describe('FullHash', () => {
  const hash = (text: string, ...rest: Setting): string => hexOf(prepare(text, ...rest).fullHash);

  test('is 32 bytes of its own, the same for the same call', () => {
    const one = prepare(ONE);
    expect(one.fullHash).toBeInstanceOf(Uint8Array);
    expect(one.fullHash.byteLength).toBe(32);
    expect(one.fullHash.buffer.byteLength).toBe(32);
    expect(hash(ONE)).toBe(hexOf(one.fullHash));
  });

  test('is SHA-256 over the canonical body and the trailer that the design draws', () => {
    const field = (text: string): Buffer => {
      const bytes = Buffer.from(text);
      return Buffer.concat([bytes, u32(bytes.length)]);
    };
    const u32 = (value: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value);
      return bytes;
    };
    for (const passthrough of [false, true]) {
      for (const scope of ['kéy', 'global']) {
        const secret = Buffer.from('0123456789abcdef');
        const expected = createHash('sha256').update(
          Buffer.concat([
            Buffer.from(ONE),
            Buffer.from([passthrough ? 1 : 0]),
            ...[scope, '/v1/chat/completions', 'openai', 'm', 'anthropic-beta: x', ''].map(field),
            ...(scope === 'global' ? [secret, u32(secret.length)] : []),
            u32(Buffer.byteLength(ONE)),
          ]),
        );
        const found = hash(ONE, { hashSecret: secret }, { scope, passthrough, headers: 'anthropic-beta: x' });
        expect(found).toBe(expected.digest('hex'));
      }
    }
  });

  test('whatever came before it does not change it', () => {
    const options = {
      hashSecret: Buffer.from('0123456789abcdef'),
      resolveModel: (model: string) => (model === 'm' ? routeTo('m') : routeToClaude(model)),
    };
    const inputs = fc.record({
      scope: fc.constantFrom('key-1', 'key-2', 'global'),
      headers: fc.constantFrom('', 'anthropic-beta: x'),
      passthrough: fc.boolean(),
    });
    const lossy = body([message('user', 'hi')], ',"seed":1').replace('"m"', '"claude-opus-4-8"');
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), inputs), { maxLength: 8 }), (calls) => {
        const pipeline = new Pipeline({ ...OPTIONS, ...options });
        for (const [converted, input] of calls) {
          const call = converted ? { ...input, passthrough: false } : input;
          const text = converted ? lossy : ONE;
          expect(hexOf(pipeline.prepare(inputOf(text, call)).fullHash)).toBe(hash(text, options, call));
        }
      }),
      { numRuns: 60 },
    );
  });

  test('differs by scope, route, provider, model, headers, mode and secret', () => {
    const global = { scope: 'global' };
    const all = [
      hash(ONE),
      hash(ONE, {}, { scope: 'key-2' }),
      hash(ONE, {}, { routePath: '/v1/other' }),
      hash(ONE, { resolveModel: () => routeTo('other') }),
      hash(ONE, {
        resolveModel: (model) => {
          const route = routeTo(model);
          return { ...route, provider: { ...route.provider, id: 'other' } };
        },
      }),
      hash(ONE, {}, { headers: 'anthropic-version: 1' }),
      hash(ONE, {}, { passthrough: true }),
      hash(ONE, {}, global),
      hash(ONE, { hashSecret: Buffer.from('a') }, global),
      hash(ONE, { hashSecret: Buffer.from('b') }, global),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  test('the secret salts the global scope alone', () => {
    expect(hash(ONE, { hashSecret: Buffer.from('a') })).toBe(hash(ONE));
  });

  test('fields do not run into each other', () => {
    const all = [
      hash(ONE, {}, { scope: 'ab', headers: 'c' }),
      hash(ONE, {}, { scope: 'a', headers: 'bc' }),
      hash(ONE, {}, { scope: '', headers: 'abc' }),
      hash(ONE, {}, { scope: 'é', headers: '' }),
      hash(ONE, {}, { scope: 'e', headers: '\u0301' }),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  test('does not see what the gateway adds', () => {
    const streamed = body([message('user', 'hi')], ',"stream":true');
    const plain = hash(streamed, { cacheInject: false });
    expect(hash(streamed)).toBe(plain);
    expect(hash(streamed, { resolveModel: (model) => routeTo(model, { usage: false }) })).toBe(plain);
  });

  test('the order of tools does not count while they are sorted, and counts otherwise', () => {
    const [one, other] = [
      body([message('user', 'x')], tools('a', 'b')),
      body([message('user', 'x')], tools('b', 'a')),
    ];
    expect(hash(one)).toBe(hash(other));
    expect(hash(one, { toolSort: false })).not.toBe(hash(other, { toolSort: false }));
  });

  test('byte-exact mode hashes the bytes as they are', () => {
    const spaced = ONE.replace(',', ' ,');
    expect(hash(ONE)).toBe(hash(spaced));
    expect(hash(ONE, {}, { passthrough: true })).not.toBe(hash(spaced, {}, { passthrough: true }));
  });
});

const SYSTEM = message('system', 'rules');
/** A conversation as it is sent turn by turn: each turn ends with the user. */
const TURNS = [
  [SYSTEM, message('user', 'one')],
  [SYSTEM, message('user', 'one'), message('assistant', '1'), message('user', 'two')],
  [
    SYSTEM,
    message('user', 'one'),
    message('assistant', '1'),
    message('user', 'two'),
    message('assistant', '2'),
    message('user', 'three'),
  ],
] as const;
const ofTurn = (turn: readonly string[], rest = tools('b', 'a')): Prepared => prepare(body(turn, rest));

describe('PrefixHash', () => {
  const hash = (messages: readonly string[], rest = ''): string => prepare(body(messages, rest)).prefixHash;

  test('is 16 digits, moves with every answered turn, and does not see the query', () => {
    const hashes = TURNS.map((turn) => ofTurn(turn).prefixHash);
    for (const one of hashes) expect(one).toMatch(/^[0-9a-f]{16}$/);
    expect(new Set(hashes).size).toBe(3);
    expect(ofTurn([...TURNS[1].slice(0, 3), message('user', 'other')]).prefixHash).toBe(hashes[1]!);
  });

  test('sees tools, system and each message before the query, wherever they part', () => {
    const [system, user, answer, query] = TURNS[1];
    const all = [
      hash(TURNS[1]),
      hash(TURNS[1], tools('a')),
      hash([message('system', 'Rules'), user, answer, query]),
      hash([system, message('user', 'One'), answer, query]),
      hash([system, user, message('assistant', '2'), query]),
      hash([user, answer, query]),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  test('is the same in every spelling, and where marks and usage are added', () => {
    const turn = TURNS[1];
    const spelled = `{ "messages" : [${turn.map((one) => one.replace('{', '{ ')).join(' , ')}], "model":"m"}`;
    expect(prepare(spelled).prefixHash).toBe(hash(turn));
    expect(prepare(body(turn, ',"stream":true'), { cacheInject: false }).prefixHash).toBe(hash(turn));
  });

  test('byte-exact mode hashes the blocks as they go out', () => {
    const exact = (text: string): string => prepare(text, {}, { passthrough: true }).prefixHash;
    const spaced = body(TURNS[1].map((one) => one.replace(',', ', ')));
    expect(exact(body(TURNS[1]))).toBe(hash(TURNS[1]));
    expect(exact(spaced)).not.toBe(hash(TURNS[1]));
    expect(prepare(spaced).prefixHash).toBe(hash(TURNS[1]));
  });

  test('exists without tools, system and history', () => {
    expect(hash([message('user', 'x')])).toBe(hash([message('user', 'y')]));
    expect(hash([message('system', 'x')])).not.toBe(hash([message('user', 'x')]));
  });
});

describe('affinity hash', () => {
  test('is 32 bits and constant over a conversation', () => {
    const hashes = TURNS.map((turn) => ofTurn(turn).affinityHash);
    expect(new Set(hashes).size).toBe(1);
    expect(hashes[0]).toBeWithin(0, 2 ** 32);
    expect(Number.isInteger(hashes[0])).toBe(true);
    expect(ofTurn(TURNS[0], tools('a', 'b')).affinityHash).toBe(hashes[0]!);
  });

  test('differs by tools, system and first message', () => {
    const [system, user] = TURNS[0];
    const all = [
      ofTurn([system, user]),
      ofTurn([system, user], tools('a')),
      ofTurn([message('system', 'Rules'), user]),
      ofTurn([system, message('user', 'One')]),
      ofTurn([user]),
      ofTurn([system]),
    ].map((one) => one.affinityHash);
    expect(new Set(all).size).toBe(all.length);
  });

  test('spreads conversations over accounts', () => {
    const counts = [0, 0, 0, 0];
    for (let index = 0; index < 400; index++)
      counts[ofTurn([SYSTEM, message('user', `q${index}`)]).affinityHash % 4]!++;
    for (const count of counts) expect(count).toBeWithin(60, 140);
  });
});

describe('Messages', () => {
  const [options, input] = MESSAGES;
  const of = (rest: Readonly<Record<string, unknown>>, ...more: Setting): Prepared =>
    prepare(
      JSON.stringify({ model: 'claude-opus-4-8', max_tokens: 9, ...rest }),
      { ...options, ...more[0] },
      { ...input, ...more[1] },
    );
  const said = (role: string, content: unknown): unknown => ({ role, content });
  const turn = (system: unknown, first: unknown, query: unknown): Prepared =>
    of({ system, messages: [said('user', first), said('assistant', '1'), said('user', query)] });
  const block = (text: string, mark: object = {}): unknown => [{ type: 'text', text, ...mark }];
  const mark = { cache_control: { type: 'ephemeral' } };

  test('the prefix sees system, messages and tools, and not the query', () => {
    const base = turn('s', 'a', 'q');
    const all = [
      base,
      turn('t', 'a', 'q'),
      turn('s', 'b', 'q'),
      turn(undefined, 'a', 'q'),
      of({ system: 's', tools: [{ name: 'f' }], messages: [said('user', 'a'), said('assistant', '1')] }),
      // The same bytes in another place.
      of({ messages: [said('user', 's'), said('user', 'a'), said('assistant', '1'), said('user', 'q')] }),
    ];
    expect(new Set(all.map((one) => one.prefixHash)).size).toBe(all.length);
    expect(turn('s', 'a', 'other').prefixHash).toBe(base.prefixHash);
  });

  test('a client that moves its marks, and writes blocks where they are, stays on its conversation', () => {
    const base = turn('s', 'a', 'q');
    for (const other of [
      turn(block('s', mark), block('a', mark), block('q', mark)),
      turn(block('s'), block('a'), 'q'),
      turn('s', block('a', { cache_control: null }), 'q'),
      turn(block('s', { cache_control: { ttl: '1h', type: 'ephemeral' } }), 'a', 'q'),
    ]) {
      expect(other.prefixHash).toBe(base.prefixHash);
      expect(other.affinityHash).toBe(base.affinityHash);
    }
  });

  test('two blocks are not one, nor is a block with more than a text', () => {
    const hashes = [
      turn('s', 'ab', 'q'),
      turn(
        's',
        [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
        'q',
      ),
      turn('s', block('ab', { citations: null }), 'q'),
      turn(
        's',
        [
          { type: 'text', text: 'ab' },
          { type: 'text', text: '' },
        ],
        'q',
      ),
    ].map((one) => one.prefixHash);
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test('identity sees version and beta headers, and the marks that the client pays for', () => {
    const body = { system: 's', messages: [said('user', 'a')] };
    const hashes = [
      of(body),
      of(body, {}, { headers: 'anthropic-version: 2023-06-01' }),
      of(body, {}, { headers: 'anthropic-version: 2023-06-01\nanthropic-beta: b' }),
      of({ ...body, system: block('s', mark) }),
    ].map((one) => hexOf(one.fullHash));
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});

test('of a converted call identity sees what was lost, and whether the client gets usage', () => {
  const conversionOf = (lost: string) => () => () => ({
    body: Buffer.from('{"model":"x","max_tokens":7,"messages":[{"role":"user","content":"y"}]}'),
    warnings: [],
    lost,
  });
  const hash = (text: string, lost: string): string =>
    hexOf(prepare(text, { resolveModel: routeToClaude, conversionOf: conversionOf(lost) }).fullHash);
  const streamed = (usage: boolean): string =>
    body([message('user', 'x')], `,"stream":true,"stream_options":{"include_usage":${usage}}`);
  const hashes = [hash(ONE, ''), hash(ONE, '"seed":1'), hash(ONE, '"seed":2'), hash(streamed(true), '')];
  expect(new Set(hashes).size).toBe(hashes.length);
  expect(hash(streamed(false), '')).toBe(hashes[0]!);
  expect(hash(ONE, '"seed":1')).toBe(hashes[1]!);
});
