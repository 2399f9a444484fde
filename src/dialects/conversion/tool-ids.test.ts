import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { hashOf, OpenCalls, originalId, repeatedId, shortId, toolId, uniqueId } from './tool-ids.ts';

describe('ids that answers may share', () => {
  test.each([
    ['call_0', 'look'],
    ['0', 'look'],
    ['functions.get_weather2day:0', 'get_weather2day'],
    ['toolu_sanitized', 'look'],
    ['chatcmpl-tool-1', 'look'],
  ])('%s is made unique by its place, and taken back', (id, name) => {
    const one = uniqueId(id, name, 'answer 1, call 0');
    expect(one).not.toBe(id);
    expect(one).toBe(uniqueId(id, name, 'answer 1, call 0'));
    expect(one).not.toBe(uniqueId(id, name, 'answer 2, call 0'));
    expect(originalId(one)).toBe(id);
  });

  test.each([
    'call_aDdJTteHrpMdhdkEkyxjxEHH',
    'toolu_01A09q90qw90lq917835lq9',
    'call_00_a1b2c3d4e5f6',
    'chatcmpl-tool-9f86d081884c7d65',
    '3b241101-e2bb-4255-8caf-4136c566a962',
  ])('%s has enough of chance and stays', (id) => {
    expect(uniqueId(id, 'look', 'anywhere')).toBe(id);
    expect(originalId(id)).toBe(id);
  });

  test('of calls with one id the first keeps it', () => {
    expect(repeatedId('call_0', 1)).toBe('call_0');
    expect(repeatedId('call_0', 2)).toMatch(/^[a-zA-Z0-9_-]+$/);
    expect(repeatedId('call_0', 2)).not.toBe(repeatedId('call_0', 3));
    expect(originalId(repeatedId('call_0', 3))).toBe('call_0');
  });
});

describe('ids of calls', () => {
  test.each(['toolu_01A09q90qw90lq917835lq9', 'call_abc-DEF_123', 'a'])('%s fits and stays', (id) => {
    expect(toolId(id)).toBe(id);
    expect(shortId(id, 40)).toBe(id);
  });

  test.each(['call:1', 'functions.search:0', 'ä', 'a b', '', 'a\n', '\ud800'])(
    '%j is replaced by a hash',
    (id) => {
      expect(toolId(id)).toMatch(/^call_[0-9a-f]{24}$/);
      expect(toolId(id)).toBe(toolId(id));
    },
  );

  test('one that is too long is replaced too', () => {
    const long = 'a'.repeat(41);
    expect(toolId(long)).toBe(long);
    expect(shortId(long, 40)).toMatch(/^call_[0-9a-f]{24}$/);
    expect(shortId(long, 40)).not.toBe(shortId(`${long}a`, 40));
    for (const fits of ['a'.repeat(40), 'functions.search:0', '\ud800']) expect(shortId(fits, 40)).toBe(fits);
  });

  test('property: the hash is SHA-256, which ids in running conversations depend on', () => {
    const digest = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const hash = digest(text.isWellFormed() ? text : JSON.stringify(text));
        expect(hashOf(text)).toBe(hash);
        expect(toolId(`${text}:`)).toBe(`call_${hashOf(`${text}:`).slice(0, 24)}`);
      }),
    );
    expect(toolId('functions.search:0')).toBe('call_85c5207c101d90a54df3f06a');
  });

  test('different ids stay different, and what was replaced fits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
        expect(toolId(one) === toolId(other)).toBe(one === other);
        expect(shortId(toolId(one), 40)).toBe(toolId(one));
        expect(shortId(shortId(one, 40), 40)).toBe(shortId(one, 40));
      }),
    );
    expect(toolId('\ud800')).not.toBe(toolId('\ufffd'));
  });
});

test('a call is answered once', () => {
  const calls = new OpenCalls();
  expect(calls.unanswered).toBeUndefined();
  expect([calls.add('a'), calls.add('b'), calls.add('a')]).toEqual([true, true, false]);
  expect([calls.answer('c'), calls.answer('a'), calls.answer('a')]).toEqual([false, true, false]);
  expect(calls.unanswered).toBe('b');
  calls.clear();
  expect(calls.unanswered).toBeUndefined();
});

test('many calls are known as few are', () => {
  const calls = new OpenCalls();
  const ids = Array.from({ length: 100 }, (_, index) => `call_${index}`);
  for (const id of ids) expect([calls.add(id), calls.add(id)]).toEqual([true, false]);
  for (const id of ids.toReversed()) expect([calls.answer(id), calls.answer(id)]).toEqual([true, false]);
  expect(calls.unanswered).toBeUndefined();
  for (const id of ids) calls.add(id);
  for (const id of ids.slice(0, 50)) calls.answer(id);
  expect(calls.unanswered).toBe('call_50');
  expect(calls.add('call_0')).toBe(true);
  expect(calls.add('call_99')).toBe(false);
});

test('property: calls are open from when they are noted until they have their result, few or many', () => {
  const calls = new OpenCalls();
  const step = fc.tuple(fc.constantFrom('add', 'add', 'answer'), fc.integer({ min: 0, max: 25 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      calls.clear();
      const open = new Set<string>();
      for (const [what, number] of steps) {
        const id = `call_${number}`;
        if (what === 'add') expect(calls.add(id)).toBe(open.size < open.add(id).size);
        else expect(calls.answer(id)).toBe(open.delete(id));
        expect(calls.unanswered).toBe([...open][0]);
      }
    }),
  );
});
