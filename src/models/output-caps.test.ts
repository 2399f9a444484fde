import { expect, test } from 'bun:test';
import { plainName } from './names.ts';
import { outputCap } from './output-caps.ts';

test.each([
  ['openai/GPT-4o', 'gpt-4o'],
  ['openai/gpt-4o:nitro', 'gpt-4o'],
  ['openai/gpt-4o:extended', 'gpt-4o:extended'],
  ['ft:gpt-4.1-2025-04-14:team:name:id', 'gpt-4.1-2025-04-14'],
  ['openrouter/openai/o3', 'o3'],
])('%s is plainly %s', (name, plain) => {
  expect(plainName(name)).toBe(plain);
});

test('a date does not matter, but where the snapshot differs', () => {
  for (const name of ['gpt-4o-2024-08-06', 'gpt-4o-2024-11-20', 'gpt-4o-mini-2024-07-18'])
    expect(outputCap(name)).toBe(16_384);
  expect(outputCap('gpt-4o-2024-05-13')).toBe(4096);
  expect(outputCap('o3-2025-04-16')).toBe(100_000);
});

test('what nobody has named has none', () => {
  for (const name of [
    '',
    'gpt-4',
    'gpt-4o-64k-output-alpha',
    'gpt-5-pro',
    'gpt-7',
    'o9',
    'gpt-oss-120b',
    'llama-4',
  ])
    expect(outputCap(name)).toBeNull();
});
