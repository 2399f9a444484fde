import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices } from '../std/json/testing/arbitrary.ts';
import { ClaudeCache, UnlimitedCache } from './testing/claude-cache.ts';
import { inputOf, MESSAGES, OPTIONS, textOf } from './testing/pipeline.ts';
import { Pipeline } from './pipeline.ts';

type Pick = (below: number) => number;
type Json = Readonly<Record<string, unknown>>;

const MODEL = 'claude-opus-4-8';
const MIN_TOKENS = 1024;

const [OF_CLAUDE, INPUT] = MESSAGES;
const pipeline = new Pipeline({ ...OPTIONS, ...OF_CLAUDE });
const bare = new Pipeline({ ...OPTIONS, ...OF_CLAUDE, cacheInject: false });
const through = (one: Pipeline, body: Json): Json =>
  JSON.parse(textOf(one.prepare(inputOf(JSON.stringify(body), INPUT)))) as Json;

let serial = 0;
const prose = (pick: Pick): string => `${serial++} ${'lorem ipsum '.repeat(1 + pick(60))}`;
const textBlock = (pick: Pick): Json => ({ type: 'text', text: prose(pick) });

/** Few blocks as a rule, now and then more than a look-back reaches, and more than three reach. */
const count = (pick: Pick): number => [1 + pick(4), 1 + pick(4), 10 + pick(30), 60 + pick(30)][pick(4)]!;

/** An answer: thinking between texts and calls, rows of calls among them. */
function answer(pick: Pick): Json {
  const content: Json[] = [];
  for (let left = count(pick); left > 0; left--) {
    const kind = pick(3);
    if (kind === 0) content.push({ type: 'thinking', thinking: prose(pick), signature: 'c2ln' });
    else if (kind === 1) content.push(textBlock(pick));
    else
      for (let row = 1 + pick(5); row > 0; row--)
        content.push({ type: 'tool_use', id: `toolu_${serial++}`, name: 'f', input: { said: prose(pick) } });
  }
  return { role: 'assistant', content };
}

/** A message of the user's side: a string, or results and texts. */
function question(pick: Pick): Json {
  if (pick(4) === 0) return { role: 'user', content: prose(pick) };
  const content: Json[] = [];
  for (let row = pick(6); row > 0; row--)
    content.push({ type: 'tool_result', tool_use_id: `toolu_${serial++}`, content: prose(pick) });
  for (let left = count(pick); left > 0; left--) content.push(textBlock(pick));
  return { role: 'user', content };
}

interface Head {
  readonly tools: readonly Json[];
  readonly system: unknown;
}
function head(pick: Pick): Head {
  const tools = Array.from({ length: pick(4) * 5 }, (_, index) => ({
    name: `tool_${index}`,
    description: prose(pick),
    input_schema: { type: 'object' },
  }));
  const system = [prose(pick).repeat(10), [textBlock(pick), textBlock(pick)], undefined][pick(3)];
  return { tools, system };
}

const bodyOf = ({ system, tools }: Head, messages: readonly Json[]): Json => ({
  model: MODEL,
  max_tokens: 100,
  ...(tools.length > 0 ? { tools } : {}),
  ...(system === undefined ? {} : { system }),
  messages,
});

/**
 * The requests of a conversation. Most turns are sent on their own; some are not sent (the client ran on without asking),
 * never two in a row, and some are sent again with a message more and no answer in between.
 */
function conversation(pick: Pick): readonly Json[] {
  const opening = head(pick);
  const messages: Json[] = [question(pick)];
  const requests = [bodyOf(opening, [...messages])];
  let skipped = false;
  for (let turns = 4 + pick(6); turns > 0; turns--) {
    messages.push(answer(pick), question(pick));
    if (pick(6) === 0) messages.push(question(pick));
    skipped = !skipped && pick(6) === 0;
    if (!skipped) requests.push(bodyOf(opening, [...messages]));
    if (!skipped && pick(8) === 0) {
      messages.push(question(pick));
      requests.push(bodyOf(opening, [...messages]));
    }
  }
  return requests;
}

/** Shares of the prompts' tokens that were read: with the gateway's marks, and with unlimited memory. */
function shares(requests: readonly Json[]): { readonly marked: number; readonly unlimited: number } {
  const cache = new ClaudeCache(MIN_TOKENS);
  const unlimited = new UnlimitedCache(MIN_TOKENS);
  const sums = { marked: 0, unlimited: 0, prompt: 0 };
  for (const request of requests) {
    const reading = cache.send(through(pipeline, request));
    sums.marked += reading.read;
    sums.unlimited += unlimited.send(request).read;
    sums.prompt += reading.prompt;
  }
  return { marked: sums.marked / sums.prompt, unlimited: sums.unlimited / sums.prompt };
}

describe('a growing conversation', () => {
  test('reads as much as if every message were remembered, whatever number of blocks a turn adds', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { marked, unlimited } = shares(conversation(choices(seed)));
        expect(marked).toBeGreaterThan(unlimited - 0.02);
      }),
      { numRuns: 150 },
    );
  });

  test('several at once share their head', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const pick = choices(seed);
        const opening = head(pick);
        const requests = Array.from({ length: 6 }, () => bodyOf(opening, [question(pick)]));
        const { marked, unlimited } = shares(requests);
        expect(marked).toBeGreaterThan(unlimited - 0.02);
      }),
      { numRuns: 100 },
    );
  });

  test('a client that rewrites its last message reads up to what it rewrote, however long its turns are', () => {
    const pick = choices(7);
    const cache = new ClaudeCache(MIN_TOKENS);
    const opening: Head = { tools: [], system: prose(pick).repeat(40) };
    const messages: Json[] = [];
    const blocks = (): Json[] => Array.from({ length: 30 }, () => textBlock(pick));
    const lengths: number[] = [];
    for (let turn = 0; turn < 8; turn++) {
      if (turn > 0) messages.push({ role: 'assistant', content: blocks() });
      const own = blocks();
      const volatile = { type: 'text', text: `The time is ${turn}.` };
      const request = bodyOf(opening, [...messages, { role: 'user', content: [...own, volatile] }]);
      const { read } = cache.send(through(pipeline, request));
      messages.push({ role: 'user', content: own });
      // What was rewritten, and the answer to it, are new; everything before them is not.
      if (turn > 1) expect(read).toBe(lengths[turn - 2]!);
      lengths.push(new ClaudeCache(MIN_TOKENS).send(bodyOf(opening, messages)).prompt);
    }
  });

  test('without marks nothing is read: the model tells the difference', () => {
    const cache = new ClaudeCache(MIN_TOKENS);
    for (const request of conversation(choices(1))) expect(cache.send(through(bare, request)).read).toBe(0);
    const { marked } = shares(conversation(choices(1)));
    expect(marked).toBeGreaterThan(0.5);
  });

  test('what was sent for a turn is sent for it again, marks apart', () => {
    const plain = (body: Json): { readonly head: string; readonly messages: string } => {
      const { messages, ...rest } = unmarked(body) as Json & { readonly messages: unknown };
      return { head: JSON.stringify(rest), messages: JSON.stringify(messages).slice(0, -1) };
    };
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        let earlier: ReturnType<typeof plain> | null = null;
        for (const request of conversation(choices(seed))) {
          const now = plain(through(pipeline, request));
          expect(now).toEqual(plain(through(bare, request)));
          if (earlier !== null) {
            expect(now.head).toBe(earlier.head);
            expect(now.messages.startsWith(`${earlier.messages},`)).toBe(true);
          }
          earlier = now;
        }
      }),
      { numRuns: 40 },
    );
  });
});

/** Without marks, and with a string in the place of each text block that is alone. */
function unmarked(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(unmarked);
    const [only] = items as readonly Json[];
    const isText = items.length === 1 && only?.['type'] === 'text';
    return isText ? only['text'] : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'cache_control')
      .map(([key, one]) => [key, unmarked(one)]),
  );
}
