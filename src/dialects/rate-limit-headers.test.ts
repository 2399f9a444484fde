import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { anthropicHeader, openAiHeader } from './rate-limit-headers.ts';

const NOW_MS = Date.parse('2026-11-24T12:00:00Z');
const toOpenAi = (name: string, value: string) => openAiHeader(name, value, NOW_MS);
const toAnthropic = (name: string, value: string) => anthropicHeader(name, value, NOW_MS);

describe('rate-limit headers', () => {
  test('counts are renamed, both ways', () => {
    for (const what of ['requests', 'tokens'])
      for (const figure of ['limit', 'remaining']) {
        const openAi = [`x-ratelimit-${figure}-${what}`, '4000'] as const;
        const anthropic = [`anthropic-ratelimit-${what}-${figure}`, '4000'] as const;
        expect(toOpenAi(...anthropic)).toEqual(openAi);
        expect(toAnthropic(...openAi)).toEqual(anthropic);
      }
  });

  test.each([
    ['2026-11-24T12:00:00Z', '0ms'],
    ['2026-11-24T11:59:00Z', '0ms'],
    ['2026-11-24T12:00:01Z', '1s'],
    ['2026-11-24T12:00:00.250Z', '250ms'],
    ['2026-11-24T12:06:00Z', '6m0s'],
    ['2026-11-24T13:01:05Z', '1h1m5s'],
    ['2026-11-24T13:00:00+01:00', '0ms'],
  ])('a time becomes a duration: %s is %s', (time, duration) => {
    expect(toOpenAi('anthropic-ratelimit-tokens-reset', time)).toEqual([
      'x-ratelimit-reset-tokens',
      duration,
    ]);
  });

  test.each([
    ['12ms', '2026-11-24T12:00:01Z'],
    ['1s', '2026-11-24T12:00:01Z'],
    ['6m0s', '2026-11-24T12:06:00Z'],
    ['1h30m0.5s', '2026-11-24T13:30:01Z'],
    ['2d', '2026-11-26T12:00:00Z'],
  ])('a duration becomes a time: %s is %s', (duration, time) => {
    expect(toAnthropic('x-ratelimit-reset-requests', duration)).toEqual([
      'anthropic-ratelimit-requests-reset',
      time,
    ]);
  });

  test('what has no counterpart, or is no figure, stays behind', () => {
    for (const [name, value] of [
      ['anthropic-ratelimit-input-tokens-limit', '5'],
      ['anthropic-ratelimit-requests-limit', '-1'],
      ['anthropic-ratelimit-requests-reset', 'soon'],
      ['anthropic-ratelimit-requests-reset', '1s'],
      ['x-ratelimit-limit-requests', '1'],
      ['request-id', 'req_1'],
    ] as const)
      expect(toOpenAi(name, value)).toBeNull();
    for (const [name, value] of [
      ['x-ratelimit-limit-project-tokens', '5'],
      ['x-ratelimit-remaining-tokens', '-1'],
      ['x-ratelimit-reset-tokens', ''],
      ['x-ratelimit-reset-tokens', '2026-11-24T12:00:00Z'],
      ['anthropic-ratelimit-requests-limit', '1'],
      ['openai-processing-ms', '7'],
    ] as const)
      expect(toAnthropic(name, value)).toBeNull();
  });

  test('retry hints are the same in both', () => {
    for (const name of ['retry-after', 'retry-after-ms', 'x-should-retry']) {
      expect(toOpenAi(name, '1')).toEqual([name, '1']);
      expect(toAnthropic(name, '1')).toEqual([name, '1']);
    }
  });

  test('a reset survives both ways within a second, and is never too early', () => {
    fc.assert(
      fc.property(fc.nat(200_000), (seconds) => {
        const time = new Date(NOW_MS + seconds * 1_000).toISOString().replace('.000Z', 'Z');
        const [name, duration] = toOpenAi('anthropic-ratelimit-requests-reset', time)!;
        expect(toAnthropic(name, duration)).toEqual(['anthropic-ratelimit-requests-reset', time]);
      }),
    );
  });
});
