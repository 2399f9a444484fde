import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { CHAT, MESSAGES, startSetting, type Json, type Setting } from './support/anthropic.ts';
import { caseLines, casesPresent, withCases } from './support/cases.ts';
import {
  markedAtEnd,
  markedUsers,
  promptOf,
  UnlimitedCache,
  type ChatRequest,
  type Message,
  type Prompt,
  type Reading,
} from './support/claude-prompts.ts';

/**
 * How much of a conversation's input Claude reads from its cache: through the gateway, sent to the vendor as it is, and if
 * every message were remembered for good.
 */

/** Of the input, that may be missed of what a cache without limits reads. */
const TOLERANCE = 0.02;
const OPUS = { model: 'claude-opus-4-8', minTokens: 1024 };
const HAIKU = { model: 'claude-haiku-4-5', minTokens: 4096 };
type Claude = typeof OPUS;

interface Line {
  readonly conversation_id: string;
  readonly request: ChatRequest;
}

/** The requests of each recorded conversation, in the order in which they were sent. */
function recorded(file: string): ChatRequest[][] {
  const found = new Map<string, ChatRequest[]>();
  for (const { conversation_id: id, request } of casesPresent ? caseLines<Line>(`${file}.jsonl`) : []) {
    const turns = found.get(id) ?? [];
    found.set(id, turns);
    turns.push({ messages: request.messages, tools: request.tools ?? [] });
  }
  return [...found.values()];
}

const CORPORA = {
  taubench_airline: recorded('prompts/taubench_airline_gpt4o'),
  'mini-swe-agent': recorded('prompts/miniswe_deepseek_chat'),
  cline: recorded('clients/cline'),
  pi: recorded('clients/pi'),
};
const conversations = Object.values(CORPORA).flat();
const corpora = Object.entries(CORPORA);

let setting: Setting;
beforeAll(async () => {
  setting = await startSetting();
});
afterAll(() => setting[Symbol.asyncDispose]());

/** How a client writes a prompt as the members of a Messages body. */
type Wording = (prompt: Prompt) => Json;
const unmarked: Wording = (prompt) => ({ ...prompt });

/** What carries one turn to a model. */
type Client<Turn> = (turn: Turn, model: string) => Promise<Response>;

const openai: Client<ChatRequest> = (request, model) => setting.post(CHAT, { ...request, model });
const bodyOf = (prompt: Prompt, model: string, wording: Wording): Json => ({
  model,
  max_tokens: 200,
  ...wording(prompt),
});
const anthropic =
  (wording: Wording): Client<Prompt> =>
  (prompt, model) =>
    setting.post(MESSAGES, bodyOf(prompt, model, wording));
/** The same to the vendor itself. */
const direct =
  (wording: Wording): Client<Prompt> =>
  (prompt, model) =>
    fetch(setting.simulator.url + MESSAGES, {
      method: 'POST',
      headers: {
        'x-api-key': 'sk-ant-direct',
        'anthropic-version': '2023-06-01',
        'content-type': 'application/json',
      },
      body: JSON.stringify(bodyOf(prompt, model, wording)),
    });

interface Sending {
  readonly claude?: Claude;
  /** Between one turn and the next. */
  readonly pauseMs?: number;
}

/** Sends turn after turn to a vendor that remembers nothing yet; tells what the vendor says was read. */
async function send<Turn>(
  turns: readonly Turn[],
  client: Client<Turn>,
  { claude: { model } = OPUS, pauseMs = 0 }: Sending = {},
): Promise<Reading> {
  setting.simulator.reset();
  for (const turn of turns) {
    const response = await client(turn, model);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${text}`);
    setting.simulator.advance(pauseMs);
  }
  const { cachedTokens, requests, uncachedTokens, writtenTokens } = setting.simulator.stats().bill[model]!;
  expect(requests).toBe(turns.length);
  return { read: cachedTokens, prompt: cachedTokens + uncachedTokens + writtenTokens };
}

/** What a cache without limits reads of the same. */
function unlimited(turns: readonly Prompt[], { minTokens }: Claude = OPUS): Reading {
  const cache = new UnlimitedCache(minTokens);
  const sum = { read: 0, prompt: 0 };
  for (const turn of turns) {
    const { prompt, read } = cache.send(turn);
    sum.read += read;
    sum.prompt += prompt;
  }
  return sum;
}

const shareOf = ({ prompt, read }: Reading): number => read / prompt;

/** Every prompt was the size that it is said to have, and no more of it was missed than may be. */
function expectAsUnlimited(sent: Reading, ideal: Reading): void {
  expect(sent.prompt).toBe(ideal.prompt);
  expect(shareOf(sent)).toBeGreaterThanOrEqual(shareOf(ideal) - TOLERANCE);
}

withCases.describe('a conversation without marks reads what unlimited memory would', () => {
  for (const claude of [OPUS, HAIKU])
    test.each(corpora)(`%s on ${claude.model}`, async (_, all) => {
      for (const turns of claude === OPUS ? all : all.slice(0, 4)) {
        const prompts = turns.map(promptOf);
        const ideal = unlimited(prompts, claude);
        expectAsUnlimited(await send(turns, openai, { claude }), ideal);
        expectAsUnlimited(await send(prompts, anthropic(unmarked), { claude }), ideal);
        // What the gateway is for: on its own, nothing is read.
        expect(await send(prompts, direct(unmarked), { claude })).toEqual({ read: 0, prompt: ideal.prompt });
      }
    });

  test('most of the input, as it is: the model without limits is no empty promise', () => {
    const sum = unlimited(CORPORA.taubench_airline.flat().map(promptOf));
    expect(shareOf(sum)).toBeGreaterThan(0.85);
  });

  test('many at once, turn by turn: they share tools and system prompt', async () => {
    const all = CORPORA.taubench_airline;
    const longest = Math.max(...all.map((turns) => turns.length));
    const turns = Array.from({ length: longest }, (_, at) => all.flatMap((one) => one[at] ?? [])).flat();
    const prompts = turns.map(promptOf);
    const ideal = unlimited(prompts);
    expectAsUnlimited(await send(turns, openai), ideal);
    expectAsUnlimited(await send(prompts, anthropic(unmarked)), ideal);
  });

  test.each([2, 5, 8])('only every %i. turn is sent, a client went on without asking', async (stride) => {
    for (const all of conversations) {
      const turns = all.filter((_, at) => at % stride === 0);
      const prompts = turns.map(promptOf);
      const ideal = unlimited(prompts);
      expectAsUnlimited(await send(turns, openai), ideal);
      expectAsUnlimited(await send(prompts, anthropic(unmarked)), ideal);
    }
  });
});

const MARKINGS: Readonly<Record<string, Wording>> = {
  'the system prompt': (prompt) => ({ ...prompt, system: markedAtEnd(prompt.system) }),
  'the tools': (prompt) => ({ ...prompt, tools: markedAtEnd(prompt.tools) }),
  'the last message': (prompt) => ({ ...prompt, messages: markedUsers(prompt.messages, 1) }),
  'the first message': ({ messages: [first, ...rest], ...prompt }) => ({
    ...prompt,
    messages: [...markedUsers(first === undefined ? [] : [first], 1), ...rest],
  }),
  'the system prompt and the last message': (prompt) => ({
    ...prompt,
    system: markedAtEnd(prompt.system),
    messages: markedUsers(prompt.messages, 1),
  }),
  'the system prompt and the last three messages: four marks': (prompt) => ({
    ...prompt,
    system: markedAtEnd(prompt.system),
    messages: markedUsers(prompt.messages, 3),
  }),
  'tools, system prompt and the last two messages: four marks': (prompt) => ({
    tools: markedAtEnd(prompt.tools),
    system: markedAtEnd(prompt.system),
    messages: markedUsers(prompt.messages, 2),
  }),
  'the last block by itself': (prompt) => ({ ...prompt, cache_control: { type: 'ephemeral' } }),
  'the last block by itself, and the system prompt': (prompt) => ({
    ...prompt,
    system: markedAtEnd(prompt.system),
    cache_control: { type: 'ephemeral' },
  }),
  'for an hour, the system prompt': (prompt) => ({ ...prompt, system: markedAtEnd(prompt.system, '1h') }),
  'for an hour, the system prompt and the last message': (prompt) => ({
    ...prompt,
    system: markedAtEnd(prompt.system, '1h'),
    messages: markedUsers(prompt.messages, 1, '1h'),
  }),
  'for an hour the system prompt, for five minutes the last message': (prompt) => ({
    ...prompt,
    system: markedAtEnd(prompt.system, '1h'),
    messages: markedUsers(prompt.messages, 1),
  }),
  'for an hour, the last block by itself': (prompt) => ({
    ...prompt,
    cache_control: { type: 'ephemeral', ttl: '1h' },
  }),
};
const markings = Object.entries(MARKINGS);

/** No conversation reads less through the gateway than it does without it. */
async function expectNoLess(turns: readonly Prompt[], wording: Wording, how: Sending = {}): Promise<void> {
  const without = await send(turns, direct(wording), how);
  const through = await send(turns, anthropic(wording), how);
  expect(through.prompt).toBe(without.prompt);
  expect(through.read).toBeGreaterThanOrEqual(without.read);
}

withCases.describe("a client's own marks never read less than without the gateway", () => {
  const prompts = conversations.map((turns) => turns.map(promptOf));
  // What comes later in the long ones tells no more.
  const some = prompts.map((turns) => turns.slice(0, 6));

  test.each(markings)('on %s', async (_, wording) => {
    for (const turns of some) await expectNoLess(turns, wording);
  });

  test.each(markings)('on %s, ten minutes from turn to turn', async (_, wording) => {
    for (const turns of some.slice(-8)) await expectNoLess(turns, wording, { pauseMs: 10 * 60_000 });
  });

  test.each(markings)('on %s, only every fifth turn is sent', async (_, wording) => {
    for (const turns of prompts)
      await expectNoLess(
        turns.filter((__, at) => at % 5 === 0),
        wording,
      );
  });

  test('and the whole of a conversation as agents mark it, on either model', async () => {
    const wording = MARKINGS['the system prompt and the last message']!;
    for (const turns of prompts) await expectNoLess(turns, wording);
    for (const turns of some) await expectNoLess(turns, wording, { claude: HAIKU });
  });
});

/** Turns that add more than the twenty positions a mark looks back over. */
describe('long turns', () => {
  const SYSTEM = [{ type: 'text', text: 'You look things up for others. '.repeat(200) }];
  const TURNS = 6;
  const WIDTH = 30;
  const rows = Array.from({ length: WIDTH }, (_, row) => row);
  const passage = (turn: number, row: number): string =>
    `Passage ${row} of turn ${turn}. ${'It goes on. '.repeat(8)}`;

  /** Conversations of a system prompt, and whatever messages each turn adds. */
  const chatOf = (add: (turn: number) => ChatRequest['messages']): ChatRequest[] => {
    const messages: ChatRequest['messages'][number][] = [{ role: 'system', content: SYSTEM }];
    return Array.from({ length: TURNS }, (_, turn) => {
      messages.push(...add(turn));
      return { messages: [...messages] };
    });
  };
  const promptsOf = (add: (turn: number) => readonly Message[]): Prompt[] => {
    const messages: Message[] = [];
    return Array.from({ length: TURNS }, (_, turn) => {
      messages.push(...add(turn));
      return { tools: [], system: SYSTEM, messages: [...messages] };
    });
  };
  const idOf = (turn: number, row: number): string => `toolu_${turn}_${row}`;
  const callOf = (turn: number, row: number): Json => ({
    type: 'tool_use',
    id: idOf(turn, row),
    name: 'look_up',
    input: { page: row, turn },
  });
  const resultOf = (turn: number, row: number): Json => ({
    type: 'tool_result',
    tool_use_id: idOf(turn, row),
    content: passage(turn, row),
  });
  const textOf = (turn: number, row: number): Json => ({ type: 'text', text: passage(turn, row) });

  const CHATS = {
    'parallel calls and their results': chatOf((turn) =>
      turn === 0
        ? [{ role: 'user', content: 'Look it up.' }]
        : [
            {
              role: 'assistant',
              content: null,
              tool_calls: rows.map((row) => ({
                id: idOf(turn, row),
                type: 'function',
                function: { name: 'look_up', arguments: JSON.stringify({ page: row, turn }) },
              })),
            },
            ...rows.map((row) => ({
              role: 'tool',
              tool_call_id: idOf(turn, row),
              content: passage(turn, row),
            })),
          ],
    ),
    'a message of many parts': chatOf((turn) => [
      ...(turn === 0 ? [] : [{ role: 'assistant', content: `Read, ${turn}.` }]),
      { role: 'user', content: rows.map((row) => textOf(turn, row)) },
    ]),
    'calls one after the other, none of them asked for': chatOf((turn) => [
      { role: 'user', content: `Go on, ${turn}.` },
      ...rows.slice(0, 12).flatMap((row) => [
        {
          role: 'assistant',
          content: passage(turn, row),
          tool_calls: [
            { id: idOf(turn, row), type: 'function', function: { name: 'look_up', arguments: '{}' } },
          ],
        },
        { role: 'tool', tool_call_id: idOf(turn, row), content: passage(turn, row) },
      ]),
    ]),
  };
  const chats = Object.entries(CHATS);

  const BLOCKS: Readonly<Record<string, readonly Prompt[]>> = {
    ...Object.fromEntries(chats.map(([name, turns]) => [name, turns.map(promptOf)])),
    'calls between texts, and results between texts': promptsOf((turn) => {
      const user = { role: 'user', content: [{ type: 'text', text: `And ${turn}?` }] };
      if (turn === 0) return [user];
      return [
        { role: 'assistant', content: rows.flatMap((row) => [textOf(turn, row), callOf(turn, row)]) },
        {
          role: 'user',
          content: [...rows.map((row) => resultOf(turn, row)), ...rows.map((row) => textOf(-turn, row))],
        },
      ];
    }),
  };
  const blocks = Object.entries(BLOCKS);

  test.each(chats)('%s: all of it is read, of an OpenAI client', async (_, turns) => {
    expectAsUnlimited(await send(turns, openai), unlimited(turns.map(promptOf)));
  });

  test.each(blocks)('%s: all of it is read, of an Anthropic client', async (_, turns) => {
    expectAsUnlimited(await send(turns, anthropic(unmarked)), unlimited(turns));
    expect((await send(turns, direct(unmarked))).read).toBe(0);
  });

  test.each(blocks)('%s: no less is read, whatever the client marks', async (_, turns) => {
    for (const wording of Object.values(MARKINGS)) await expectNoLess(turns, wording);
  });

  test('where a mark of the client reaches no earlier entry, the gateway adds one that does', async () => {
    const turns = BLOCKS['a message of many parts']!;
    const wording = MARKINGS['the system prompt and the last message']!;
    // On its own, the system prompt is all that is found.
    expect(shareOf(await send(turns, direct(wording)))).toBeLessThan(0.4);
    expectAsUnlimited(await send(turns, anthropic(wording)), unlimited(turns));
  });
});
