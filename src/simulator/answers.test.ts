import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Answer, answerTo, type PiecedText } from './answers.ts';
import type { Conversation } from './conversation.ts';
import { type Directives, NO_DIRECTIVES } from './directives.ts';
import { interleaved, isContent } from './steps.ts';
import { countTokens } from './tokens.ts';

const SCHEMA = { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] };
const TOOLS = [
  { name: 'search', schema: SCHEMA },
  { name: 'read_file', schema: SCHEMA },
];

const conversation = (differences: Partial<Conversation> = {}): Conversation => ({
  model: 'gpt-4o',
  hash: 42n,
  userText: 'hello',
  toolResults: [],
  callRounds: 0,
  tools: [],
  toolChoice: 'auto',
  parallelToolCalls: true,
  thinking: false,
  thinkingBlocks: null,
  choices: 1,
  maxOutputTokens: Infinity,
  maxPromptTokens: Infinity,
  stopSequences: [],
  stream: false,
  streamUsage: false,
  obfuscation: true,
  ...differences,
  askedText: differences.askedText ?? differences.userText ?? '',
});

const answer = (differences: Partial<Conversation> = {}, asked: Partial<Directives> = {}): Answer =>
  answerTo(conversation(differences), { ...NO_DIRECTIVES, ...asked }, 0);

const called = (differences: Partial<Conversation>, asked: Partial<Directives> = {}): string[] =>
  answer({ tools: TOOLS, ...differences }, asked).toolCalls.map((call) => call.name);

function piecesOf({ text, ends }: PiecedText): string[] {
  return ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end));
}

describe('text', () => {
  test('depends on the conversation alone', () => {
    expect(answer()).toEqual(answer({ stream: true }));
    expect(answer().content?.text).not.toBe(answer({ hash: 43n }).content?.text);
    expect(answer().finish).toBe('stop');
  });

  test('quotes a hash of the tool results', () => {
    const to = (results: string[]): string =>
      answer({ userText: null, tools: TOOLS, toolResults: results }).content?.text ?? '';
    expect(to(['a', 'b'])).toContain('to 2 results#');
    expect(to(['a', 'b'])).not.toBe(to(['b', 'a']));
  });

  test('has the chunks and the size asked for', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(5000), (chunks, size) => {
        const content = answer({}, { chunks, size }).content!;
        const pieces = piecesOf(content);
        expect(pieces.join('')).toBe(content.text);
        if (chunks > 0) expect(pieces.length).toBe(chunks);
        if (size > 300) expect(Buffer.byteLength(content.text)).toBe(size);
        expect(content.text.isWellFormed()).toBe(true);
        for (const piece of pieces) expect(piece.isWellFormed()).toBe(true);
      }),
    );
  });

  test('ends at the token limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.boolean(), (maxOutputTokens, thinking) => {
        const limited = answer({ maxOutputTokens, thinking });
        const whole = answer({ thinking });
        expect(limited.outputTokens).toBeLessThanOrEqual(maxOutputTokens);
        expect(limited.finish).toBe(whole.outputTokens <= maxOutputTokens ? 'stop' : 'length');
        expect(whole.content?.text.startsWith(limited.content?.text ?? '?')).toBe(true);
        expect(piecesOf(limited.content!).join('')).toBe(limited.content!.text);
      }),
    );
  });

  test('ends before the first stop sequence', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('made', ' ', 'wö', '—', '🙂', 'absent'), { maxLength: 3 }),
        (stopSequences) => {
          const whole = answer().content!.text;
          const { content, stopSequence, finish } = answer({ stopSequences });
          const ends = stopSequences.map((sequence) => whole.indexOf(sequence)).filter((at) => at !== -1);
          const end = Math.min(whole.length, ...ends);
          expect(content?.text).toBe(whole.slice(0, end));
          expect(piecesOf(content!).join('')).toBe(content!.text);
          expect(stopSequence === null).toBe(ends.length === 0);
          expect(finish).toBe('stop');
        },
      ),
    );
    const cut = answer({ stopSequences: ['nothing'], maxOutputTokens: 3 });
    expect([cut.finish, cut.stopSequence]).toEqual(['length', null]);
  });

  test('thinking comes before it and is counted', () => {
    const thought = answer({ thinking: true });
    expect(thought.reasoning?.text).not.toBe('');
    expect(thought.reasoningTokens).toBe(countTokens(thought.reasoning?.text ?? ''));
    expect(thought.outputTokens).toBe(thought.reasoningTokens + countTokens(thought.content?.text ?? ''));
  });
});

describe('tool calls', () => {
  test('go to the first tool whose name the user mentions', () => {
    expect(called({ userText: 'please read_file and search' })).toEqual(['search']);
    expect(called({ userText: 'please read_file' })).toEqual(['read_file']);
    expect(called({ userText: 'hello' })).toEqual([]);
    expect(called({ userText: null, toolResults: ['search'] })).toEqual([]);
  });

  test('obey tool_choice', () => {
    expect(called({ userText: 'search', toolChoice: 'none' })).toEqual([]);
    expect(called({ toolChoice: 'required' })).toEqual(['search']);
    expect(called({ userText: 'search', toolChoice: { name: 'read_file' } })).toEqual(['read_file']);
  });

  test('follow each other where more rounds are asked for', () => {
    const after = (callRounds: number, toolResults = ['r']): readonly string[] =>
      answer(
        { userText: null, askedText: 'please read_file', tools: TOOLS, toolResults, callRounds },
        { rounds: 3 },
      ).toolCalls.map((call) => `${call.name} ${call.arguments.text}`);
    expect(after(1)).toEqual(['read_file {"q":"q 1"}']);
    expect(after(2)).toEqual(['read_file {"q":"q 2"}']);
    expect(after(3)).toEqual([]);
    expect(after(1, [])).toEqual([]);
  });

  test('are parallel where asked for and allowed', () => {
    expect(called({ userText: 'search' }, { tools: 3 })).toEqual(['search', 'search', 'search']);
    expect(called({}, { tools: 3 })).toEqual(['search', 'read_file', 'search']);
    expect(called({ parallelToolCalls: false }, { tools: 3 })).toEqual(['search']);
    const calls = answer({ tools: TOOLS }, { tools: 3 }).toolCalls;
    expect(new Set(calls.map((call) => call.id)).size).toBe(3);
    expect(calls.map((call) => call.arguments.text)).toEqual(['{"q":"q 0"}', '{"q":"q 1"}', '{"q":"q 2"}']);
  });

  test('are cut off at the token limit', () => {
    const cut = answer({ tools: TOOLS, userText: 'search', maxOutputTokens: 3 });
    expect(cut.finish).toBe('length');
    expect(cut.toolCalls[0]?.arguments.text).toBe('{"q"');
    expect(cut.outputTokens).toBe(3);
  });
});

test('steps of several answers take turns and lose nothing', () => {
  const answers = [0, 1, 2].map((choice) =>
    answerTo(conversation({ thinking: true }), { ...NO_DIRECTIVES, chunks: 2 + choice }, choice),
  );
  const steps = [...interleaved(answers)];
  for (const [choice, { content, reasoning }] of answers.entries()) {
    const own = steps.filter((step) => step.choice === choice);
    expect(own[0]?.kind).toBe('start');
    expect(own.at(-1)?.kind).toBe('finish');
    const said = (kind: string): string =>
      own.flatMap((step) => (isContent(step) && step.kind === kind ? [step.text] : [])).join('');
    expect(said('text')).toBe(content?.text ?? '?');
    expect(said('reasoning')).toBe(reasoning?.text ?? '?');
  }
  expect(steps.slice(0, 3).map((step) => step.choice)).toEqual([0, 1, 2]);
});
