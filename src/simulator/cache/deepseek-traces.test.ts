import { expect, test } from 'bun:test';
import { caseLines, casesPresent, withCases } from '../../../test/support/cases.ts';
import { isDeepseekPeak } from '../peak.ts';
import { seededRandom } from '../random.ts';
import { DEEPSEEK_UNIT_TOKENS, DeepseekCache, RECORDED_DEEPSEEK_RULES } from './deepseek.ts';

interface Turn {
  readonly conversation_id: string;
  readonly turn: number;
  /** Seconds since 1970. */
  readonly at: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  /** What the vendor reported. */
  readonly hit: number;
}

interface Replayed extends Turn {
  /** What the model reports. */
  readonly modelled: number;
  readonly previous: Turn | null;
}

/** All conversations began with the same system prompt; the first figures of all but one say so. */
const SHARED_TOKENS = 330;

const roundDown = (tokens: number): number => tokens - (tokens % DEEPSEEK_UNIT_TOKENS);

/** Tokens of a conversation in which turn k+1 extends turn k, as the recorded figures say. */
function tokensOf(conversation: number, length: number): Int32Array {
  const tokens = new Int32Array(length);
  for (let index = 0; index < length; index++) {
    tokens[index] =
      index < SHARED_TOKENS ? index : Math.imul(conversation * 1_000_003 + index, 0x9e_37_79_b1);
  }
  return tokens;
}

/** Sends the turns through the cache at their recorded times, conversations interleaved as they were. */
function replay(turns: readonly Turn[], seed: number): Replayed[] {
  const cache = new DeepseekCache(RECORDED_DEEPSEEK_RULES, seededRandom(seed));
  const conversations = [...new Set(turns.map((turn) => turn.conversation_id))];
  const whole = conversations.map((id, index) => {
    const ofIt = turns.filter((turn) => turn.conversation_id === id);
    return tokensOf(index, Math.max(...ofIt.map((turn) => turn.prompt_tokens + turn.completion_tokens)));
  });
  const ends = new Map<string, number[]>();
  const last = new Map<string, Turn>();
  const replayed: Replayed[] = [];
  for (const turn of [...turns].sort((a, b) => a.at - b.at)) {
    const { conversation_id: id, prompt_tokens: promptTokens, completion_tokens: outputTokens } = turn;
    const messageEnds = ends.get(id) ?? [];
    ends.set(id, messageEnds);
    const visit = cache.visit(
      {
        tokens: whole[conversations.indexOf(id)]!.subarray(0, promptTokens + outputTokens),
        inputTokens: promptTokens,
        promptTokens,
        boundaries: messageEnds.map((tokens) => ({ tokens, kind: 'message' })),
        scope: 'account',
        cacheKey: '',
        explicitMarks: false,
        extendedRetention: false,
        marked: null,
      },
      turn.at * 1000,
    );
    visit.promptDone(turn.at * 1000);
    visit.answerDone(turn.at * 1000);
    messageEnds.push(promptTokens, promptTokens + outputTokens);
    replayed.push({ ...turn, modelled: visit.cachedTokens, previous: last.get(id) ?? null });
    last.set(id, turn);
  }
  return replayed;
}

const sum = (turns: readonly Replayed[], of: (turn: Replayed) => number): number =>
  turns.reduce((total, turn) => total + of(turn), 0);

/** Share of the later turns that hit at least the whole previous prompt, as far as multiples of 64 can say. */
function wholeShare(turns: readonly Replayed[], of: (turn: Replayed) => number): number {
  const later = turns.filter((turn) => turn.previous !== null);
  return (
    later.filter((turn) => of(turn) >= roundDown(turn.previous?.prompt_tokens ?? 0)).length / later.length
  );
}

const SEEDS = [1, 2];

withCases.describe('3,226 recorded turns of DeepSeek', () => {
  const turns = casesPresent ? caseLines<Turn>('traces/deepseek_cache_usage.jsonl') : [];

  for (const seed of SEEDS) {
    const replayed = replay(turns, seed);
    const modelled = (turn: Replayed): number => turn.modelled;
    const recorded = (turn: Replayed): number => turn.hit;

    test(`total hit share is within 3 points of the recorded one (seed ${seed})`, () => {
      const prompt = sum(replayed, (turn) => turn.prompt_tokens);
      const difference = sum(replayed, modelled) / prompt - sum(replayed, recorded) / prompt;
      expect(Math.abs(difference)).toBeLessThan(0.03);
    });

    test(`hits are multiples of 64 and never the whole prompt (seed ${seed})`, () => {
      for (const turn of replayed) {
        expect(turn.modelled % DEEPSEEK_UNIT_TOKENS).toBe(0);
        expect(turn.modelled).toBeLessThan(turn.prompt_tokens);
      }
    });

    test(`60 to 80 % of later turns hit the whole previous prompt (seed ${seed})`, () => {
      const share = wholeShare(replayed, modelled);
      expect(share).toBeGreaterThan(0.6);
      expect(share).toBeLessThan(0.8);
      expect(Math.abs(share - wholeShare(replayed, recorded))).toBeLessThan(0.05);
    });

    test(`what is missing is missing in peak hours (seed ${seed})`, () => {
      const peak = replayed.filter((turn) => isDeepseekPeak(turn.at * 1000));
      const offPeak = replayed.filter((turn) => !isDeepseekPeak(turn.at * 1000));
      for (const of of [modelled, recorded]) {
        expect(wholeShare(offPeak, of)).toBe(1);
        expect(wholeShare(peak, of)).toBeGreaterThan(0.45);
        expect(wholeShare(peak, of)).toBeLessThan(0.6);
      }
    });
  }
});
