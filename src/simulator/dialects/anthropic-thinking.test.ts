import { describe, expect, test } from 'bun:test';
import {
  accepted,
  answer,
  assistant,
  type Body,
  EPHEMERAL,
  refusal,
  result,
  type Said,
  text,
  tool,
  use,
  USER,
  user,
} from './testing/anthropic.ts';

const BETA = 'thinking-binding-controls-2026-08-01';
const INVALID = 'Invalid `signature` in `thinking` block';
const BOUND = 'bound to a different conversation';

type Thought = Body & { readonly thinking: string; readonly signature: string };

const thoughtOf = (said: Said): Thought => {
  const [first] = said.content;
  expect(first?.['type']).toBe('thinking');
  return first as Thought;
};

describe('thinking', () => {
  const kinds = (differences: Body): unknown[] => answer(differences).content.map(({ type }) => type);
  const budget = { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 };

  test('comes first, where the request or the model wants it', () => {
    expect(kinds({})).toEqual(['text']);
    expect(kinds(budget)).toEqual(['thinking', 'text']);
    expect(kinds({ model: 'claude-opus-4-8' })).toEqual(['text']);
    expect(kinds({ model: 'claude-opus-4-8', thinking: { type: 'adaptive' } })).toEqual(['thinking', 'text']);
    expect(kinds({ model: 'claude-sonnet-5' })).toEqual(['thinking', 'text']);
    expect(kinds({ model: 'claude-sonnet-5', thinking: { type: 'disabled' } })).toEqual(['text']);
  });

  test('not where a tool is forced, and between tools only after a result', () => {
    const tools = [tool('f')];
    expect(kinds({ model: 'claude-opus-5', tools, tool_choice: { type: 'any' } })).toEqual(['tool_use']);
    const between = { model: 'claude-sonnet-5-5', tools, thinking: { type: 'between_tools' } };
    expect(kinds(between)).toEqual(['text']);
    expect(kinds({ ...between, messages: [USER, assistant(use('a')), user(result('a'))] })).toEqual([
      'thinking',
      'text',
    ]);
  });

  test('is shown or a signature alone, by model or as the request says', () => {
    const shown = (differences: Body): boolean => thoughtOf(answer(differences)).thinking !== '';
    expect(shown(budget)).toBe(true);
    expect(shown({ model: 'claude-opus-5' })).toBe(false);
    expect(shown({ model: 'claude-opus-5', thinking: { type: 'adaptive', display: 'summarized' } })).toBe(
      true,
    );
    expect(shown({ ...budget, thinking: { ...budget.thinking, display: 'omitted' } })).toBe(false);
  });

  test('is counted in the usage', () => {
    expect(answer({}).usage['output_tokens_details']).toBeUndefined();
    const { usage } = answer({ model: 'claude-opus-5' });
    const { thinking_tokens: tokens } = usage['output_tokens_details'] as {
      readonly thinking_tokens: number;
    };
    expect(tokens).toBeGreaterThan(0);
    expect(tokens).toBeLessThan(Number(usage['output_tokens']));
  });

  test('with a budget the turn under way must begin with it', () => {
    const messages = (...said: Body[]): Body => ({
      ...budget,
      messages: [USER, assistant(...said), user(result('a'))],
    });
    const thought = thoughtOf(answer(budget));
    expect(refusal(messages(thought, use('a')))).toBeNull();
    expect(refusal(messages(use('a')))).toStartWith('400 messages.1.content.0.type: Expected `thinking`');
    const { thinking: _, ...without } = messages(use('a'));
    expect(refusal(without)).toBeNull();
    expect(refusal({ ...budget, messages: [USER, assistant(text('a')), USER] })).toBeNull();
  });
});

describe('signatures', () => {
  const budget = { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 };
  const thought = thoughtOf(answer(budget));
  const back = (block: Body, more: Body = {}): string | null =>
    refusal({ ...budget, messages: [USER, assistant(block, text('a')), USER], ...more });

  test('are base64 as long as the vendor’s', () => {
    expect(thought.signature.length).toBeGreaterThan(300);
    expect(thought.signature).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(thought.signature).toMatch(/[+/]/);
  });

  test('must come back whole, with the text they were made for', () => {
    expect(back(thought)).toBeNull();
    expect(back({ ...thought, signature: thought.signature.slice(0, -4) })).toContain(INVALID);
    expect(back({ ...thought, signature: `${thought.signature.slice(0, -5)}AAAA=` })).toContain(INVALID);
    expect(back({ ...thought, signature: '' })).toContain(INVALID);
    expect(back({ ...thought, thinking: `${thought.thinking} ` })).toContain(INVALID);
    expect(back({ type: 'thinking', thinking: thought.thinking })).toBe(
      '400 messages.1.content.0.thinking.signature: Field required',
    );
    expect(back({ type: 'redacted_thinking', data: 'x' })).toContain('Invalid `data`');
    expect(back({ ...thought, signature: 'EqoB' })).toContain(INVALID);
  });

  test('are checked where thinking is off too', () => {
    const { thinking: _, ...off } = budget;
    const messages = (signature: string): Body => ({
      ...off,
      messages: [USER, assistant({ ...thought, signature }, text('a')), USER],
    });
    expect(refusal(messages(thought.signature))).toBeNull();
    expect(refusal(messages('no'))).toContain(INVALID);
  });

  test('of another model are dropped without a word', () => {
    const model = 'claude-opus-5-5';
    expect(back(thought, { model, thinking: undefined })).toBeNull();
    const messages = [USER, assistant(thought, text('a')), USER];
    expect(answer({ model, messages }, BETA).input_transformations).toEqual([
      { type: 'thinking_dropped', path: 'messages.1.content.0', reason: 'model_binding_mismatch' },
    ]);
    expect(answer({ model, messages }).input_transformations).toBeUndefined();
  });

  test('of older models care for no other message', () => {
    expect(back(thought, { system: 'new', tools: [tool('f')] })).toBeNull();
  });
});

describe('thinking bound to its conversation', () => {
  const model = 'claude-opus-5-5';
  const head = { model, system: 's', tools: [tool('f')] };
  const first = thoughtOf(answer({ ...head, messages: [USER] }));
  const turns = [USER, assistant(first, text('a')), user(text('next'))];
  const second = thoughtOf(answer({ ...head, messages: turns }));
  const all = [...turns, assistant(second, text('b')), USER];
  const ask = (differences: Body, beta = ''): string | null =>
    refusal({ ...head, messages: all, ...differences }, beta);

  test('comes back in the very conversation', () => {
    expect(ask({})).toBeNull();
  });

  test('is refused behind any change', () => {
    expect(ask({ system: 'S' })).toContain(
      `messages.1.content.0: Invalid \`thinking\` block. The block is ${BOUND}`,
    );
    expect(ask({ tools: [tool('f'), tool('g')] })).toContain(BOUND);
    expect(ask({ tools: undefined })).toContain(BOUND);
    expect(ask({ messages: [user(text('edited')), ...all.slice(1)] })).toContain('messages.1');
    expect(ask({ messages: [...all.slice(0, 2), user(text('Next')), ...all.slice(3)] })).toContain(
      'messages.3',
    );
    expect(ask({ messages: [USER, ...all] })).toContain(BOUND);
    expect(ask({ messages: [USER, assistant(first, text('A')), ...all.slice(2)] })).toContain('messages.3');
  });

  test('marks, limits, effort and the spelling of a text are no change', () => {
    expect(
      ask({ system: [text('s', EPHEMERAL)], messages: [user(text('question', EPHEMERAL)), ...all.slice(1)] }),
    ).toBeNull();
    expect(ask({ ...EPHEMERAL, max_tokens: 77, output_config: { effort: 'low' } })).toBeNull();
    expect(
      ask({ messages: [...all.slice(0, 2), { role: 'user', content: 'next' }, ...all.slice(3)] }),
    ).toBeNull();
    const { name, description, input_schema: schema } = tool('f');
    expect(ask({ tools: [{ input_schema: schema, name, description }] })).toBeNull();
  });

  test('the oldest may be left out, none between two others', () => {
    const plain = assistant(text('a'));
    expect(ask({ messages: [USER, plain, ...all.slice(2)] })).toBeNull();
    const third = thoughtOf(answer({ ...head, messages: all }));
    const longer = [...all, assistant(third, text('c')), USER];
    expect(ask({ messages: longer })).toBeNull();
    expect(ask({ messages: [...longer.slice(0, 3), assistant(text('b')), ...longer.slice(4)] })).toContain(
      BOUND,
    );
    expect(ask({ messages: [USER, plain, longer[2]!, assistant(text('b')), ...longer.slice(4)] })).toBeNull();
  });

  test('is dropped instead where the request says so, and the answer tells', () => {
    const thinking = { type: 'adaptive', block_binding: { prefix_mismatch_behavior: 'drop_block' } };
    expect(ask({ system: 'S', thinking }, BETA)).toBeNull();
    expect(ask({ system: 'S', thinking })).toContain('Extra inputs are not permitted');
    const said = answer({ ...head, system: 'S', messages: turns, thinking }, BETA);
    expect(said.input_transformations).toEqual([
      { type: 'thinking_dropped', path: 'messages.1.content.0', reason: 'prefix_binding_mismatch' },
    ]);
    expect(answer({ ...head, messages: turns, thinking }, BETA).input_transformations).toEqual([]);
  });

  test('results of tools are part of it', () => {
    const call = thoughtOf(answer({ ...head, messages: [user(text('f'))] }));
    const loop = (content: string): Body => ({
      ...head,
      messages: [user(text('f')), assistant(call, use('a')), user(result('a', { content }))],
    });
    const after = thoughtOf(answer(loop('r')));
    const messages = (content: string): Body[] => [
      ...(loop(content)['messages'] as Body[]),
      assistant(after, text('done')),
      USER,
    ];
    expect(ask({ messages: messages('r') })).toBeNull();
    expect(ask({ messages: messages('R') })).toContain('messages.3');
  });
});

test('what was said has one hash, whatever the spelling', () => {
  const hash = (differences: Body): bigint => accepted(differences).conversation.hash;
  expect(hash({ system: [text('s', EPHEMERAL)], messages: [user(text('question'))] })).toBe(
    hash({ system: 's' }),
  );
  expect(hash({ system: 't' })).not.toBe(hash({ system: 's' }));
  const turn = (id: string): Body => ({
    messages: [USER, assistant(use(id)), user(result(id, { content: 'r' }))],
  });
  expect(hash(turn('a'))).toBe(hash(turn('b')));
});
