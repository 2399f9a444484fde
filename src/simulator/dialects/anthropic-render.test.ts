import { describe, expect, test } from 'bun:test';
import { ANTHROPIC_CACHE_RULES, AnthropicCache } from '../cache/anthropic.ts';
import type { CachePrompt } from '../cache/types.ts';
import {
  answer,
  assistant,
  type Body,
  EPHEMERAL,
  IMAGE,
  ONE_HOUR,
  render,
  request,
  result,
  text,
  tool,
  use,
  USER,
  user,
} from './testing/anthropic.ts';

const tokensOf = (differences: Body): number[] => [...render(differences).tokens];
const positions = (differences: Body): number[] =>
  render(differences).marked!.blocks.map(({ position }) => position);
const marksOf = (differences: Body): number[] =>
  render(differences).marked!.blocks.map(({ ttlMs }) => ttlMs / 60_000);

describe('the prompt', () => {
  test('a string and one text block are the same', () => {
    const blocks = { system: [text('s')], messages: [user(text('question'))] };
    expect(tokensOf({ system: 's' })).toEqual(tokensOf(blocks));
    const turn = (content: unknown): Body => ({
      messages: [USER, assistant(use('a')), user(result('a', { content }))],
    });
    expect(tokensOf(turn('r'))).toEqual(tokensOf(turn([text('r')])));
    expect(tokensOf(turn('r'))).not.toEqual(tokensOf({ messages: [USER, assistant(text('r')), USER] }));
  });

  test('messages of one role in a row are one', () => {
    expect(tokensOf({ messages: [user(text('a')), user(text('b'))] })).toEqual(
      tokensOf({ messages: [user(text('a'), text('b'))] }),
    );
  });

  test('tools, then system, then messages, and marks nowhere', () => {
    const all = render({ tools: [tool('f')], system: 's' });
    const plain = render({});
    expect(all.marked?.blocks.length).toBe(3);
    expect(Array.from(all.tokens.slice(-plain.promptTokens))).toEqual(Array.from(plain.tokens));
    const marked = { tools: [tool('f', EPHEMERAL)], system: [text('s', ONE_HOUR)] };
    expect(tokensOf({ tools: marked.tools, system: 's' })).toEqual([...all.tokens]);
    expect(tokensOf({ system: marked.system })).toEqual(tokensOf({ system: 's' }));
  });

  test('the order of keys counts in schemas and inputs, not in the wrapper of a tool', () => {
    const { name, description, input_schema: schema } = tool('f');
    expect(tokensOf({ tools: [{ input_schema: schema, description, name }] })).toEqual(
      tokensOf({ tools: [tool('f')] }),
    );
    const other = { type: 'object', properties: { a: {}, b: {} } };
    expect(tokensOf({ tools: [tool('f', { input_schema: other })] })).not.toEqual(
      tokensOf({ tools: [tool('f')] }),
    );
    expect(tokensOf({ tools: [tool('f'), tool('g')] })).not.toEqual(
      tokensOf({ tools: [tool('g'), tool('f')] }),
    );
    const turn = (input: Body): Body => ({ messages: [USER, assistant(use('a', input)), user(result('a'))] });
    expect(tokensOf(turn({ x: 1, y: 2 }))).not.toEqual(tokensOf(turn({ y: 2, x: 1 })));
  });

  test('a deferred tool is not in it', () => {
    expect(tokensOf({ tools: [tool('f'), tool('g', { defer_loading: true })] })).toEqual(
      tokensOf({ tools: [tool('f')] }),
    );
  });

  test('a failed result is another one', () => {
    const turn = (more: Body): Body => ({ messages: [USER, assistant(use('a')), user(result('a', more))] });
    expect(tokensOf(turn({ is_error: true }))).not.toEqual(tokensOf(turn({})));
    expect(tokensOf(turn({ is_error: false }))).toEqual(tokensOf(turn({})));
  });

  test('images are told apart by their bytes', () => {
    const shown = (data: string): Body => ({
      messages: [user({ ...IMAGE, source: { ...IMAGE.source, data } })],
    });
    expect(tokensOf(shown('aaaa'))).not.toEqual(tokensOf(shown('bbbb')));
    expect(tokensOf(shown('aaaa')).length).toBeGreaterThan(256);
  });
});

describe('blocks and their marks', () => {
  test('calls side by side share a position, and so do their results', () => {
    const messages = [
      USER,
      assistant(text('t'), use('a'), use('b'), use('c')),
      user(result('a'), result('b'), result('c'), text('more')),
      assistant(use('d')),
      user(result('d')),
    ];
    expect(positions({ messages, system: 's', tools: [tool('f'), tool('g')] })).toEqual([
      0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 6, 7, 8, 9,
    ]);
  });

  test('explicit marks stand where they were put', () => {
    const body = {
      tools: [tool('f', ONE_HOUR), tool('g')],
      system: [text('s'), text('t', EPHEMERAL)],
      messages: [user(text('u'), text('v', EPHEMERAL)), assistant(text('a')), USER],
    };
    expect(marksOf(body)).toEqual([60, 0, 0, 5, 0, 5, 0, 0]);
  });

  test('a mark on a part of a result stands for the result', () => {
    const messages = [USER, assistant(use('a')), user(result('a', { content: [text('x', EPHEMERAL)] }))];
    expect(marksOf({ messages })).toEqual([0, 0, 5]);
  });

  test('the automatic one stands on the last block that can have one, and moves along', () => {
    expect(marksOf({ ...ONE_HOUR, messages: [user(text('a'), text('b'))] })).toEqual([0, 60]);
    expect(marksOf({ ...EPHEMERAL, messages: [USER, assistant(text('a')), USER] })).toEqual([0, 0, 5]);
    const thinking = { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 };
    const [thought] = answer(thinking).content;
    const messages = [USER, assistant(thought!, text('a')), USER];
    expect(marksOf({ ...thinking, ...EPHEMERAL, messages: messages.slice(0, 2) }).at(-1)).toBe(5);
  });

  test('a mark on a tool of the vendor stands behind the tools before it', () => {
    const search = { type: 'web_search_20250305', name: 'web_search', ...EPHEMERAL };
    const { blocks } = render({ tools: [tool('f'), search] }).marked!;
    expect(blocks.map(({ ttlMs }) => ttlMs / 60_000)).toEqual([0, 5, 0]);
    expect(blocks[1]?.tokens).toBe(blocks[0]!.tokens);
  });

  test('so many tokens a prefix must have, by model', () => {
    const minimum = (model: string): number => render({ model }).marked!.minTokens;
    const expected = {
      512: [
        'claude-fable-5',
        'claude-fable-5-1',
        'claude-mythos-5',
        'claude-opus-5',
        'claude-opus-5-5',
        'claude-sonnet-5-5',
      ],
      1024: [
        'claude-opus-4-8',
        'claude-opus-4-1',
        'claude-sonnet-5',
        'claude-sonnet-4-6',
        'claude-sonnet-4-5',
      ],
      2048: ['claude-opus-4-7', 'claude-3-5-haiku-20241022'],
      4096: ['claude-opus-4-6', 'claude-opus-4-5', 'claude-haiku-4-5-20251001'],
    };
    for (const [tokens, models] of Object.entries(expected)) {
      for (const model of models) expect([model, minimum(model)]).toEqual([model, Number(tokens)]);
    }
  });
});

describe('what invalidates the cache', () => {
  const LONG = 'A sentence that is said again and again. '.repeat(600);
  const BASE: Body = {
    tools: [
      tool('f', { description: LONG, ...EPHEMERAL }),
      { type: 'web_search_20250305', name: 'web_search' },
    ],
    system: [text(LONG, EPHEMERAL)],
    messages: [user(text(LONG), text('question', EPHEMERAL))],
  };
  const levels = ['tools', 'system', 'messages'] as const;

  /** Levels that are still read after a change, on older and on newer models. */
  function kept(model: string, before: Body, after: Body, account = 'account'): string[] {
    const cache = new AnthropicCache(ANTHROPIC_CACHE_RULES);
    const visit = (prompt: CachePrompt): number => {
      const visited = cache.visit(prompt, 0);
      visited.promptDone(0);
      return visited.cachedTokens;
    };
    const first = render({ model, ...BASE, ...before });
    visit(first);
    const read = visit(render({ model, ...BASE, ...after }, account));
    const ends = first.marked!.blocks.filter(({ ttlMs }) => ttlMs > 0).map(({ tokens }) => tokens);
    return levels.filter((_, index) => read >= (ends[index] ?? Infinity));
  }
  const OLD = 'claude-opus-4-6';
  const NEW = 'claude-opus-5';
  const onBoth = (before: Body, after: Body): string[] => {
    const [old, newer] = [kept(OLD, before, after), kept(NEW, before, after)];
    expect(newer).toEqual(old);
    return old;
  };
  const f = BASE['tools'] as Body[];

  test('nothing: the same request', () => {
    expect(onBoth({}, {})).toEqual([...levels]);
  });

  test('tools: everything', () => {
    expect(onBoth({}, { tools: [tool('f', { ...f[0], description: `${LONG}.` }), f[1]!] })).toEqual([]);
    expect(onBoth({}, { tools: [tool('e'), ...f] })).toEqual([]);
    expect(onBoth({}, { tools: [...f, tool('g')] })).toEqual(['tools']);
  });

  test('the model, the account and the output schema: everything', () => {
    expect(kept(OLD, {}, { model: 'claude-opus-4-5' })).toEqual([]);
    expect(kept(OLD, {}, {}, 'another account')).toEqual([]);
    expect(onBoth({}, { output_config: { format: { type: 'json_schema', schema: {} } } })).toEqual([]);
  });

  test('web search, citations and speed: system and messages', () => {
    expect(onBoth({}, { tools: [f[0]!] })).toEqual(['tools']);
    expect(onBoth({}, { speed: 'fast' })).toEqual(['tools']);
    const source = { type: 'text', media_type: 'text/plain', data: 'd' };
    const document = { type: 'document', source, citations: { enabled: true } };
    expect(onBoth({}, { messages: [user(text(LONG), document, text('question', EPHEMERAL))] })).toEqual([
      'tools',
    ]);
  });

  test('the system text: itself and messages', () => {
    expect(onBoth({}, { system: [text(`${LONG}.`, EPHEMERAL)] })).toEqual(['tools']);
  });

  test('the tool choice and images: messages', () => {
    expect(onBoth({}, { tool_choice: { type: 'none' } })).toEqual(['tools', 'system']);
    expect(onBoth({}, { tool_choice: { type: 'auto' } })).toEqual([...levels]);
    expect(
      onBoth({}, { messages: [...(BASE['messages'] as Body[]), assistant(text('a')), user(IMAGE)] }),
    ).toEqual(['tools', 'system']);
  });

  test('thinking and effort: messages, on newer models everything; the default is no change', () => {
    const effort = (value: string): Body => ({ output_config: { effort: value } });
    expect(kept(OLD, {}, effort('low'))).toEqual(['tools', 'system']);
    expect(kept(NEW, {}, effort('low'))).toEqual([]);
    expect(onBoth({}, effort('high'))).toEqual([...levels]);
    expect(kept(OLD, {}, { thinking: { type: 'adaptive' } })).toEqual(['tools', 'system']);
    expect(kept(OLD, {}, { thinking: { type: 'disabled' } })).toEqual([...levels]);
    expect(kept(NEW, {}, { thinking: { type: 'disabled' } })).toEqual([]);
    expect(kept(NEW, {}, { thinking: { type: 'adaptive', display: 'summarized' } })).toEqual([...levels]);
    expect(kept('claude-opus-5-5', {}, effort('medium'))).toEqual([...levels]);
  });

  test('marks, limits and sampling: nothing', () => {
    const moved = { tools: [{ ...f[0], cache_control: null }, f[1]!] };
    expect(onBoth({}, moved)).toEqual([...levels]);
    expect(onBoth({}, { max_tokens: 5, stop_sequences: ['x'], metadata: { user_id: 'u' } })).toEqual([
      ...levels,
    ]);
    expect(kept(OLD, {}, { temperature: 0.3 })).toEqual([...levels]);
  });
});

describe('thinking in the prompt', () => {
  const thinking = { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 };
  const ask = (model: string, ...more: Body[]): Body => ({
    model,
    ...thinking,
    messages: [USER, ...more],
  });

  test('older models forget it with the next turn of the user, but not with results', () => {
    for (const [model, keeps] of [
      ['claude-sonnet-4-5', false],
      ['claude-opus-4-5', true],
    ] as const) {
      const [thought] = answer(ask(model)).content;
      const turn = (...said: Body[]): number => tokensOf(ask(model, assistant(...said), USER)).length;
      expect(turn(thought!, text('a')) > turn(text('a'))).toBe(keeps);
      const results = (...said: Body[]): number =>
        tokensOf({ ...ask(model, assistant(...said), user(result('a'))) }).length;
      expect(results(thought!, use('a'))).toBeGreaterThan(
        render({ ...request(), model, messages: [USER, assistant(use('a')), user(result('a'))] })
          .promptTokens,
      );
    }
  });
});
