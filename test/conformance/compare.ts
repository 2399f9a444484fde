import { expect } from 'bun:test';
import { assembledCompletion, assembledMessage } from './assemble.ts';
import { lossesOf, MADE_AT } from './losses.ts';
import { meaningOfCompletion, meaningOfMessage, type Meaning, type Tokens } from './meaning.ts';
import { insistOnChatStream, insistOnMessagesStream } from './protocol.ts';
import { record, type Json, type Recorded } from './recorded.ts';
import { askedOtherwise, questionOf } from './requests.ts';
import { CHAT, MESSAGES, type Booked, type Replayed, type Stage } from './stage.ts';

type DialectName = 'messages' | 'chat';

const dialectOf = (one: Recorded): DialectName => (one.vendor === 'anthropic' ? 'messages' : 'chat');
const meaningOf = (answer: Json, dialect: DialectName): Meaning =>
  dialect === 'messages' ? meaningOfMessage(answer) : meaningOfCompletion(answer);

function answerIn(text: string, streamed: boolean, dialect: DialectName): Json {
  if (!streamed) return JSON.parse(text) as Json;
  return dialect === 'messages' ? assembledMessage(text) : assembledCompletion(text);
}

/** The recorded answer, whole. */
const answerOf = (one: Recorded): Json => answerIn(one.answer, one.streamed, dialectOf(one));

const UNTOLD: Tokens = {
  input: 0,
  cacheRead: 0,
  cacheWrite: 0,
  output: 0,
  reasoning: 0,
  cacheKnown: false,
};

/** Has the question of a recording asked in the other dialect, and holds what the vendor is sent against it. */
export async function replayOtherwise(stage: Stage, one: Recorded, usageAsked: boolean): Promise<Replayed> {
  const body = JSON.stringify(askedOtherwise(one, usageAsked));
  const replayed = await stage.replay(one, dialectOf(one) === 'messages' ? CHAT : MESSAGES, body);
  const sent = replayed.sent?.body.toString() ?? JSON.stringify({ refused: replayed.body.toString() });
  const asked = JSON.parse(sent) as Json;
  const question = { ...questionOf({ ...one, request: sent }), stream: asked['stream'] };
  expect({ id: one.id, ...question }).toEqual({ id: one.id, ...questionOf(one) });
  expect(replayed.sent?.target).toBe(dialectOf(one) === 'messages' ? MESSAGES : CHAT);
  return replayed;
}

const originalIds = (text: string): string => text.replaceAll(/_tr_[0-9a-f]{12}"/g, '"');

/** Holds what a client of the other dialect received against the recording; answers what it did not get. */
export function compare(one: Recorded, received: Replayed, usageAsked: boolean): ReadonlySet<string> {
  const { body, contentType, status } = received;
  const text = body.toString();
  expect({ id: one.id, status }).toEqual({ id: one.id, status: 200 });
  expect(contentType).toStartWith(one.streamed ? 'text/event-stream' : 'application/json');
  const from = dialectOf(one);
  const to = from === 'messages' ? 'chat' : 'messages';
  if (one.streamed && to === 'chat') insistOnChatStream(text, usageAsked);
  if (one.streamed && to === 'messages') insistOnMessagesStream(text);

  const given = meaningOf(answerOf(one), from);
  const told = answerIn(text, one.streamed, to);
  const usage = to === 'messages' ? (given.usage ?? UNTOLD) : usageAsked ? given.usage : null;
  // What makes short ids unique is no part of what was recorded.
  const heard = JSON.parse(originalIds(JSON.stringify(meaningOf(told, to)))) as Meaning;
  expect({ one: one.id, ...heard }).toEqual({
    one: one.id,
    ...given,
    usage,
    // Only what was signed goes back to Claude; nobody else signs.
    signed: to === 'messages' ? [] : given.signed,
  });
  // Nothing has got through that the other dialect does not have.
  expect([...lossesOf(told, to)]).toEqual(to === 'chat' ? [MADE_AT] : []);
  return lossesOf(answerOf(one), from);
}

/** Tokens as they are to be booked: none of an answer whose vendor told none, as estimates are not in the metric. */
function toldTokens(one: Recorded): Booked {
  const answer = answerOf(one);
  const usage = meaningOf(answer, dialectOf(one)).usage ?? UNTOLD;
  const lasting = record(record(answer['usage'])['cache_creation'])['ephemeral_1h_input_tokens'];
  const write1h = typeof lasting === 'number' ? lasting : 0;
  // Claude writes for five minutes unless it says otherwise, OpenAI for thirty.
  const otherwise = one.vendor === 'anthropic' ? 'cache_write_5m' : 'cache_write_30m';
  const tokens: Booked = {
    input: usage.input,
    cache_read: usage.cacheRead,
    cache_write_1h: write1h,
    [otherwise]: usage.cacheWrite - write1h,
    output: usage.output,
    reasoning: usage.reasoning,
  };
  return Object.fromEntries(Object.entries(tokens).map(([kind, sum]) => [`${one.vendor} ${kind}`, sum]));
}

const withoutZeros = (booked: Booked): Booked =>
  Object.fromEntries(Object.entries(booked).filter(([, sum]) => sum !== 0));

/** Has each answered, and holds what is booked for all against the vendors' own figures. */
export async function replayAll(
  stage: Stage,
  all: readonly Recorded[],
  replay: (one: Recorded) => Promise<void>,
): Promise<void> {
  const due: Record<string, number> = { ...(await stage.booked()) };
  for (const one of all) {
    await replay(one);
    for (const [kind, tokens] of Object.entries(toldTokens(one))) due[kind] = (due[kind] ?? 0) + tokens;
  }
  expect(withoutZeros(await stage.booked())).toEqual(withoutZeros(due));
}

/** Whether the vendor told any usage. */
export const isTold = (one: Recorded): boolean => meaningOf(answerOf(one), dialectOf(one)).usage !== null;

/** How often each occurs. */
export function counted(all: Iterable<Iterable<string>>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of all) for (const reason of one) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}
