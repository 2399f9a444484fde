import { afterAll, beforeAll, expect, test } from 'bun:test';
import { compare, counted, isTold, replayAll, replayOtherwise } from './conformance/compare.ts';
import { deferredFixtures, fixtures } from './conformance/fixtures.ts';
import { exchanges, record, recordsOf, type Json, type Recorded } from './conformance/recorded.ts';
import { Stage } from './conformance/stage.ts';
import { casesPresent, withCases } from './support/cases.ts';

// Reason of every skip here: the cases lie beside the repository and are not copied into it.

/** The vendor began a second message in the middle of the first: there is no right answer to it. */
const SPLICED = 'anthropic/spliced-message-start.sse 0';

let stage: Stage;

beforeAll(async () => {
  if (casesPresent) stage = await Stage.start();
});
afterAll(async () => {
  if (casesPresent) await stage[Symbol.asyncDispose]();
});

const isMessages = (one: Recorded): boolean => one.vendor === 'anthropic';
const convertible = (all: readonly Recorded[]): Recorded[] =>
  all.filter((one) => !one.path.endsWith('count_tokens') && one.id !== SPLICED);
const answersOf = (all: readonly Recorded[]): Recorded[] =>
  convertible(all).filter(({ status }) => status === 200);
const refusalsOf = (all: readonly Recorded[]): Recorded[] =>
  convertible(all).filter(({ status }) => status !== 200);

/** Those whose vendor told no usage. */
const untoldOf = (all: readonly Recorded[]): string[] =>
  all.filter((one) => !isTold(one)).map(({ id }) => id);

/** For a client of the vendor's own dialect. */
async function replayUnchanged(one: Recorded): Promise<void> {
  const { body, status } = await stage.replay(one, one.path, one.request);
  // A last record that is whole but for its blank line gets one, without which no client would take it for one.
  const whole = one.answer.replace(/(?<=data: \[DONE\]\n)$/, '\n');
  // As text where it differs, which shows where; to the byte in any case.
  expect({ id: one.id, status, text: body.toString() }).toEqual({
    id: one.id,
    status: one.status,
    text: whole,
  });
  expect(body.equals(Buffer.from(whole))).toBe(true);
}

/** Has each answered for a client of the other dialect; answers how many of them miss what. */
async function convertAll(all: readonly Recorded[], usageAsked = true): Promise<Record<string, number>> {
  const losses: ReadonlySet<string>[] = [];
  await replayAll(stage, all, async (one) => {
    losses.push(compare(one, await replayOtherwise(stage, one, usageAsked), usageAsked));
  });
  return counted(losses);
}

const saidIn = (id: string): Json =>
  JSON.parse([...exchanges, ...fixtures].find((one) => one.id === id)!.answer) as Json;

/** A vendor's refusal as an OpenAI client is told of it: the vendor's words, and its request id. */
function forChat(id: string, type: string, code: string): unknown {
  const { error, request_id } = saidIn(id);
  return { error: { message: record(error)['message'], type, param: null, code }, request_id };
}

/** As an Anthropic client is told of it: the vendor's words, and its code. */
function forMessages(id: string, type: string): unknown {
  const { code, message } = record(saidIn(id)['error']);
  const details = code === null ? {} : { details: { error_code: code } };
  return { type: 'error', error: { type, message, ...details } };
}

withCases.describe('a recorded answer means the same to clients of the other dialect', () => {
  test('Messages as Chat Completions', async () => {
    const answers = answersOf(exchanges).filter(isMessages);
    expect(answers).toHaveLength(179);
    expect(untoldOf(answers)).toEqual([]);
    expect(await convertAll(answers)).toEqual({
      'how the vendor served it: tier, place, speed, fingerprint': 179,
      'calls and results of tools that the vendor runs': 23,
      'the container that the vendor keeps': 8,
      'citations and annotations': 7,
      'how long what was written to the cache lives': 7,
      'usage by iteration': 6,
      'the summary of a compacted conversation': 2,
      'which stop sequence it was, or why a pause': 2,
    });
  });

  test('Messages as Chat Completions streams whose client does not ask for usage', async () => {
    const streams = answersOf(exchanges).filter((one) => isMessages(one) && one.streamed);
    expect(streams).toHaveLength(10);
    await convertAll(streams, false);
  });

  test('Chat Completions as Messages', async () => {
    const answers = answersOf(exchanges).filter((one) => !isMessages(one));
    expect(answers).toHaveLength(103);
    // Recorded from a client that did not ask for usage.
    expect(untoldOf(answers)).toEqual(['openai/0014']);
    expect(await convertAll(answers)).toEqual({
      'the time at which it was made': 103,
      'how the vendor served it: tier, place, speed, fingerprint': 102,
      'padding against eavesdroppers': 6,
      'tokens by modality or prediction': 4,
      'verdicts of moderation and content filters': 2,
      audio: 1,
    });
  });

  test('refusals', async () => {
    const refusals: Record<string, readonly [status: number, body: unknown]> = {};
    for (const one of refusalsOf(exchanges)) {
      const { body, contentType, status } = await replayOtherwise(stage, one, true);
      expect(contentType).toStartWith('application/json');
      refusals[one.id] = [status, JSON.parse(body.toString())];
    }
    expect(refusals).toEqual({
      'anthropic/0044': [400, forChat('anthropic/0044', 'invalid_request_error', 'context_length_exceeded')],
      'anthropic/0090': [404, forChat('anthropic/0090', 'invalid_request_error', 'model_not_found')],
      'openai/0002': [400, forMessages('openai/0002', 'invalid_request_error')],
      'openai/0130': [404, forMessages('openai/0130', 'not_found_error')],
      'openai/0372': [400, forMessages('openai/0372', 'invalid_request_error')],
      'openai/0384': [400, forMessages('openai/0384', 'invalid_request_error')],
      'deepseek/0012': [400, forMessages('deepseek/0012', 'invalid_request_error')],
      // The vendor's words may quote the gateway's own key.
      'deepseek/0008': [
        502,
        {
          type: 'error',
          error: {
            type: 'api_error',
            message: "The vendor refused the gateway's own credentials or balance.",
            details: { error_code: 'upstream_credentials' },
          },
          request_id: expect.any(String) as unknown,
        },
      ],
    });
  });
});

withCases.describe('answers from the tests of an SDK', () => {
  test('are replayed, or of a route that the gateway does not have', () => {
    expect(deferredFixtures()).toEqual({ 'openai/responses': 59 });
    expect(answersOf(fixtures)).toHaveLength(96);
    expect(refusalsOf(fixtures)).toHaveLength(1);
  });

  test('come back to the byte in their own dialect', async () => {
    await replayAll(stage, answersOf(fixtures), replayUnchanged);
  });

  test('mean the same as Chat Completions', async () => {
    const answers = answersOf(fixtures).filter(isMessages);
    expect(untoldOf(answers)).toEqual([]);
    expect(await convertAll(answers)).toEqual({
      'how the vendor served it: tier, place, speed, fingerprint': 62,
      'calls and results of tools that the vendor runs': 36,
      'the container that the vendor keeps': 26,
      'that a program of the vendor made the call': 15,
      'usage by iteration': 6,
      'citations and annotations': 2,
      'that another model stepped in': 2,
      'the summary of a compacted conversation': 2,
      'how long what was written to the cache lives': 1,
      'where text stands between calls and thoughts': 1,
    });
  });

  test('mean the same as Messages', async () => {
    const answers = answersOf(fixtures).filter((one) => !isMessages(one));
    expect(untoldOf(answers)).toEqual(['openai-compatible/chat/anthropic-fallback-tool-call.sse']);
    expect(await convertAll(answers)).toEqual({
      'the time at which it was made': 14,
      'how the vendor served it: tier, place, speed, fingerprint': 13,
      'tokens by modality or prediction': 4,
      'what the vendor charges': 4,
      'padding against eavesdroppers': 2,
      'verdicts of moderation and content filters': 1,
    });
  });

  test('a refusal is one in either dialect', async () => {
    const [refusal] = refusalsOf(fixtures);
    await replayUnchanged(refusal!);
    const { body, status } = await replayOtherwise(stage, refusal!, true);
    expect([status, JSON.parse(body.toString())]).toEqual([
      400,
      forMessages(refusal!.id, 'invalid_request_error'),
    ]);
  });

  test('a message that begins anew in the middle of another is relayed, but cannot be converted', async () => {
    const spliced = fixtures.find(({ id }) => id === SPLICED)!;
    await replayUnchanged(spliced);
    const { body, status } = await replayOtherwise(stage, spliced, true);
    const text = body.toString();
    const records = recordsOf(text);
    expect(status).toBe(200);
    expect(record(records.at(-1)!['error'])['code']).toBe('upstream_protocol');
    expect(text).not.toContain('[DONE]');
    expect(text).not.toContain('"finish_reason":"');
  });
});
