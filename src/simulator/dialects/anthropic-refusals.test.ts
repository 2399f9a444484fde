import { describe, expect, test } from 'bun:test';
import {
  assistant,
  type Body,
  EPHEMERAL,
  IMAGE,
  ONE_HOUR,
  refusal,
  result,
  text,
  tool,
  use,
  USER,
  user,
} from './testing/anthropic.ts';

const MODELS = {
  old: 'claude-sonnet-4-5-20250929',
  opus46: 'claude-opus-4-6',
  opus47: 'claude-opus-4-7',
  opus48: 'claude-opus-4-8',
  opus5: 'claude-opus-5',
  opus55: 'claude-opus-5-5',
  sonnet5: 'claude-sonnet-5',
  sonnet55: 'claude-sonnet-5-5',
  fable51: 'claude-fable-5-1',
  haiku45: 'claude-haiku-4-5',
} as const;

type Name = keyof typeof MODELS;

/** Models that refuse a request with these differences. */
const refusing = (differences: Body): Name[] =>
  (Object.keys(MODELS) as Name[]).filter((name) => refusal({ model: MODELS[name], ...differences }) !== null);

describe('the shape of a body', () => {
  test('required fields and their types', () => {
    expect(refusal({})).toBeNull();
    expect(refusal({ max_tokens: undefined })).toBe('400 max_tokens: Field required');
    expect(refusal({ model: undefined })).toBe('400 model: Field required');
    expect(refusal({ messages: undefined })).toBe('400 messages: Field required');
    expect(refusal({ messages: [] })).toBe('400 messages: at least one message is required');
    expect(refusal({ messages: ['x'] })).toStartWith('400 messages.0:');
    expect(refusal({ messages: [{ role: 'user' }] })).toBe('400 messages.0.content: Field required');
    expect(refusal({ messages: [{ role: 'tool', content: 'x' }] })).toStartWith('400 messages.0.role:');
    expect(refusal({ stream: 'yes' })).toStartWith('400 stream:');
    expect(refusal({ max_tokens: 1.5 })).toStartWith('400 max_tokens:');
    expect(refusal({ max_tokens: -1 })).toStartWith('400 max_tokens:');
  });

  test('an unknown model is 404', () => {
    expect(refusal({ model: 'claude-sonet-4-5' })).toBe('404 model: claude-sonet-4-5');
    expect(refusal({ model: 'gpt-4o' })).toStartWith('404');
    expect(refusal({ model: 'anthropic/claude-opus-5' })).toStartWith('404');
  });

  test('more output than the model has', () => {
    expect(refusal({ max_tokens: 64_001 })).toBe(
      '400 max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5',
    );
    expect(refusal({ max_tokens: 128_000, model: MODELS.opus48 })).toBeNull();
  });

  test('fields of other vendors are refused, wherever they stand', () => {
    const messages = (block: Body): Body => ({ messages: [user(text('a', block))] });
    const extra = 'Extra inputs are not permitted';
    expect(refusal({ stream_options: {} })).toBe(`400 stream_options: ${extra}`);
    expect(refusal({ n: 1 })).toBe(`400 n: ${extra}`);
    expect(refusal({ messages: [{ ...USER, name: 'x' }] })).toBe(`400 messages.0.name: ${extra}`);
    expect(refusal(messages({ prompt_cache_breakpoint: {} }))).toContain(extra);
    expect(refusal({ tools: [tool('f', { parameters: {} })] })).toBe(
      `400 tools.0.custom.parameters: ${extra}`,
    );
    expect(refusal({ metadata: { session: 'x' } })).toBe(`400 metadata.session: ${extra}`);
  });

  test('unknown blocks, wrong images', () => {
    const block = (value: Body): string | null => refusal({ messages: [user(value)] });
    expect(block({ type: 'image_url', image_url: {} })).toStartWith(
      "400 messages.0.content.0: Input tag 'image_url'",
    );
    expect(block(IMAGE)).toBeNull();
    expect(block({ ...IMAGE, source: { ...IMAGE.source, media_type: 'image/bmp' } })).toContain('media_type');
    expect(block({ ...IMAGE, source: { ...IMAGE.source, data: 'data:image/png;base64,aaaa' } })).toContain(
      'data',
    );
    expect(block({ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } })).toBeNull();
  });

  test('tools', () => {
    expect(refusal({ tools: [tool('f')] })).toBeNull();
    expect(refusal({ tools: [tool('a b')] })).toStartWith('400 tools.0.custom.name:');
    expect(refusal({ tools: [tool('f'), tool('f')] })).toBe('400 tools: Tool names must be unique.');
    expect(refusal({ tools: [{ name: 'f' }] })).toBe('400 tools.0.custom.input_schema: Field required');
    expect(refusal({ tools: [tool('f', { input_schema: {} })] })).toContain(
      "input_schema.type: Input should be 'object'",
    );
    expect(refusal({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] })).toBeNull();
  });
});

describe('messages', () => {
  test('begin with the user', () => {
    expect(refusal({ messages: [assistant(text('a')), USER] })).toContain(
      'first message must use the "user" role',
    );
  });

  test('have text that is not empty', () => {
    const empty = '400 messages: text content blocks must be non-empty';
    expect(refusal({ messages: [user(text(''))] })).toBe(empty);
    expect(refusal({ messages: [{ role: 'user', content: '' }] })).toBe(empty);
    expect(refusal({ messages: [USER, assistant(text(''), use('a')), user(result('a'))] })).toBe(empty);
    expect(refusal({ messages: [user(text(' \n'))] })).toContain('non-whitespace');
    expect(refusal({ messages: [user()] })).toContain('non-empty content');
    expect(refusal({ system: [text('')] })).toBe('400 system: text content blocks must be non-empty');
    expect(refusal({ system: '' })).toBeNull();
  });

  test('may follow each other in one role', () => {
    expect(refusal({ messages: [USER, USER, assistant(text('a')), assistant(text('b')), USER] })).toBeNull();
  });

  test('of role system only where the model takes them, and after the user', () => {
    const late = { messages: [USER, { role: 'system', content: 'be brief' }] };
    expect(refusing(late)).toEqual(['old', 'opus46', 'opus47', 'sonnet5', 'haiku45']);
    expect(refusal({ ...late, model: MODELS.sonnet5 })).toStartWith('400 messages: Unexpected role "system"');
    const model = MODELS.opus48;
    expect(refusal({ model, messages: [{ role: 'system', content: 's' }, USER] })).toContain('first message');
    const after = [USER, assistant(text('a')), { role: 'system', content: 's' }, USER];
    expect(refusal({ model, messages: after })).toContain('must follow a user turn');
  });

  test('the last may be the assistant’s on older models only', () => {
    expect(refusing({ messages: [USER, assistant(text('a'))] })).toEqual([
      'opus46',
      'opus47',
      'opus48',
      'opus5',
      'opus55',
      'sonnet5',
      'sonnet55',
      'fable51',
    ]);
    expect(refusal({ messages: [USER, assistant(text('a '))] })).toContain('trailing whitespace');
  });
});

describe('calls and results', () => {
  const turn = (...results: Body[]): Body => ({
    messages: [USER, assistant(use('a'), use('b')), ...results],
  });
  const missing = '`tool_use` ids were found without `tool_result` blocks immediately after';

  test('every call has its result in the very next message', () => {
    expect(refusal(turn(user(result('a'), result('b'))))).toBeNull();
    expect(refusal(turn(user(result('b'), result('a'), text('more'))))).toBeNull();
    expect(refusal(turn(user(result('a'))))).toStartWith(`400 messages.1: ${missing}: b.`);
    expect(refusal(turn())).toContain(missing);
    expect(refusal(turn(USER, user(result('a'), result('b'))))).toContain(missing);
  });

  test('in one message, and in front of everything else', () => {
    expect(refusal(turn(user(result('a')), user(result('b'))))).toContain(missing);
    expect(refusal(turn(user(text('first'), result('a'), result('b'))))).toContain(missing);
    expect(refusal(turn(user(result('a'), text('between'), result('b'))))).toContain(`${missing}: b`);
  });

  test('every result has its call in the message before', () => {
    expect(refusal({ messages: [user(result('a'))] })).toContain('unexpected `tool_use_id`');
    expect(refusal(turn(user(result('a'), result('b'), result('c'))))).toContain('blocks: c.');
    expect(refusal(turn(user(result('a'), result('a'), result('b'))))).toContain('single result');
  });

  test('ids', () => {
    expect(refusal({ messages: [USER, assistant(use('a'), use('a')), user(result('a'))] })).toContain(
      'unique',
    );
    expect(refusal({ messages: [USER, assistant(use('a:1')), user(result('a:1'))] })).toContain(
      'String should match',
    );
    expect(
      refusal({ messages: [USER, assistant(use('a', '{}' as unknown as Body)), user(result('a'))] }),
    ).toContain('tool_use.input');
  });

  test('stand on the right side', () => {
    expect(refusal({ messages: [user(use('a'))] })).toContain('`tool_use` blocks can only be in `assistant`');
    expect(refusal({ messages: [USER, assistant(result('a')), USER] })).toContain(
      '`tool_result` blocks can only',
    );
  });
});

describe('what newer models no longer take', () => {
  const NEW: Name[] = ['opus47', 'opus48', 'opus5', 'opus55', 'sonnet5', 'sonnet55', 'fable51'];

  test('sampling parameters other than the default', () => {
    expect(refusing({ temperature: 0.5 })).toEqual(NEW);
    expect(refusing({ top_p: 0.9 })).toEqual(NEW);
    expect(refusing({ top_k: 40 })).toEqual(NEW);
    expect(refusing({ temperature: 1 })).toEqual([]);
    expect(refusing({ temperature: 1.5 }).length).toBe(10);
    expect(refusal({ temperature: 0.5, top_p: 0.9 })).toContain('cannot both be specified');
  });

  test('thinking budgets', () => {
    const budget = { thinking: { type: 'enabled', budget_tokens: 2000 }, max_tokens: 4000 };
    expect(refusing(budget)).toEqual(NEW);
    expect(refusing({ thinking: { type: 'adaptive' } })).toEqual(['old', 'haiku45']);
    expect(refusal({ ...budget, max_tokens: 2000 })).toContain(
      'must be greater than `thinking.budget_tokens`',
    );
    expect(refusal({ ...budget, max_tokens: 2000 }, 'interleaved-thinking-2025-05-14')).toBeNull();
    expect(refusal({ thinking: { type: 'enabled', budget_tokens: 1023 } })).toContain('1024');
    expect(refusal({ thinking: { type: 'enabled' } })).toContain('Field required');
    expect(refusal({ ...budget, temperature: 0.5 })).toContain('may only be set to 1');
    expect(refusal({ ...budget, tools: [tool('f')], tool_choice: { type: 'any' } })).toContain(
      'forces tool use',
    );
  });

  test('thinking off', () => {
    const off = { thinking: { type: 'disabled' } };
    expect(refusing(off)).toEqual(['opus55', 'sonnet55', 'fable51']);
    expect(refusal({ ...off, model: MODELS.opus5, output_config: { effort: 'high' } })).toBeNull();
    expect(refusal({ ...off, model: MODELS.opus5, output_config: { effort: 'xhigh' } })).toContain('effort');
    expect(refusal({ thinking: { type: 'between_tools' }, model: MODELS.sonnet55 })).toBeNull();
    expect(refusal({ thinking: { type: 'between_tools' }, model: MODELS.opus55 })).not.toBeNull();
    expect(refusal({ thinking: { type: 'never' } })).not.toBeNull();
  });

  test('effort, only where there is one', () => {
    expect(refusing({ output_config: { effort: 'low' } })).toEqual(['old', 'haiku45']);
    expect(refusing({ output_config: { effort: 'ultra' } }).length).toBe(10);
  });

  test('forced tool choices', () => {
    const forced = { tools: [tool('f')], tool_choice: { type: 'tool', name: 'f' } };
    expect(refusing(forced)).toEqual(['opus55', 'sonnet55', 'fable51']);
    expect(refusing({ ...forced, tool_choice: { type: 'any' } })).toEqual(['opus55', 'sonnet55', 'fable51']);
    expect(refusing({ ...forced, tool_choice: { type: 'auto', disable_parallel_tool_use: true } })).toEqual(
      [],
    );
    expect(refusal({ ...forced, tool_choice: { type: 'tool', name: 'g' } })).toContain("'g' not found");
    expect(refusal({ tool_choice: { type: 'auto' } })).toContain('while providing tools');
    expect(refusal({ ...forced, tool_choice: 'auto' })).toContain('tool_choice');
  });
});

describe('marks', () => {
  const marked = (count: number): Body => ({
    messages: [user(...Array.from({ length: count }, (_, index) => text(`t${index}`, EPHEMERAL)))],
  });

  test('at most four, wherever they stand', () => {
    expect(refusal(marked(4))).toBeNull();
    expect(refusal(marked(5))).toBe('400 A maximum of 4 blocks with cache_control may be provided. Found 5.');
    expect(
      refusal({ ...marked(3), tools: [tool('f', EPHEMERAL)], system: [text('s', EPHEMERAL)] }),
    ).toContain('Found 5');
    const inside = user(result('a', { content: [text('x', EPHEMERAL)] }));
    const system = ['a', 'b', 'c', 'd'].map((said) => text(said, EPHEMERAL));
    expect(refusal({ messages: [USER, assistant(use('a')), inside], system })).toContain('Found 5');
  });

  test('those within a block count, at any depth', () => {
    const content = [text('x', EPHEMERAL), text('y', EPHEMERAL)];
    const source = { type: 'content', content };
    for (const block of [
      { type: 'mcp_tool_result', content },
      { type: 'search_result', source: 's', title: 't', content },
      { type: 'document', source },
      result('a', { content: [{ type: 'document', source }] }),
    ]) {
      const answers = 'tool_use_id' in block;
      const messages = answers ? [USER, assistant(use('a')), user(block)] : [user(block)];
      const system = ['a', 'b', 'c'].map((one) => text(one, EPHEMERAL));
      expect(refusal({ messages, system })).toContain('Found 5');
    }
  });

  test('the automatic one is one of the four', () => {
    expect(refusal({ ...marked(3), ...EPHEMERAL })).toBeNull();
    const elsewhere = { system: [text('s', EPHEMERAL)], tools: [tool('f', EPHEMERAL)] };
    const messages = [user(text('a', EPHEMERAL), text('b', EPHEMERAL), text('c'))];
    expect(refusal({ ...elsewhere, messages })).toBeNull();
    expect(refusal({ ...elsewhere, messages, ...EPHEMERAL })).toContain('Found 5');
  });

  test('the automatic one on a marked block: no change, or a contradiction', () => {
    expect(refusal({ ...marked(4), ...EPHEMERAL })).toBeNull();
    expect(refusal({ ...marked(1), ...ONE_HOUR })).toContain('another ttl');
  });

  test('the longer lifetime first: tools, system, messages', () => {
    const late = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block";
    const request = (tools: Body, system: Body, message: Body): Body => ({
      tools: [tool('f', tools)],
      system: [text('s', system)],
      messages: [user(text('u', message))],
    });
    expect(refusal(request(ONE_HOUR, ONE_HOUR, EPHEMERAL))).toBeNull();
    expect(refusal(request(EPHEMERAL, ONE_HOUR, {}))).toStartWith(`400 system.0.cache_control.ttl: ${late}`);
    expect(refusal(request({}, EPHEMERAL, ONE_HOUR))).toStartWith(
      `400 messages.0.content.0.cache_control.ttl: ${late}`,
    );
    expect(refusal({ ...request({}, EPHEMERAL, {}), ...ONE_HOUR })).toContain(late);
  });

  test('of a known kind, and not on thinking', () => {
    const control = (value: unknown): string | null =>
      refusal({ system: [text('s', { cache_control: value })] });
    expect(control({ type: 'persistent' })).toContain('ephemeral');
    expect(control({ type: 'ephemeral', ttl: '24h' })).toContain("'5m' or '1h'");
    expect(control(null)).toBeNull();
    const thinking = { type: 'thinking', thinking: 't', signature: 's', ...EPHEMERAL };
    expect(refusal({ messages: [USER, assistant(thinking), USER] })).toContain('Extra inputs');
    expect(refusal({ tools: [tool('f', { defer_loading: true, ...EPHEMERAL })] })).toContain('defer_loading');
  });
});

describe('other rules', () => {
  test('warming the cache promises no output', () => {
    expect(refusal({ max_tokens: 0 })).toBeNull();
    expect(refusal({ max_tokens: 0, stream: true })).toContain('stream');
    expect(
      refusal({ max_tokens: 0, output_config: { format: { type: 'json_schema', schema: {} } } }),
    ).toContain('format');
    expect(refusal({ max_tokens: 0, tools: [tool('f')], tool_choice: { type: 'any' } })).toContain(
      'tool_choice',
    );
  });

  test('stop sequences, service tier, user', () => {
    expect(refusal({ stop_sequences: ['a', 'b', 'c', 'd', 'e'] })).toBeNull();
    expect(refusal({ stop_sequences: [' \n'] })).toContain('non-whitespace');
    expect(refusal({ stop_sequences: 'x' })).toContain('stop_sequences');
    expect(refusal({ service_tier: 'flex' })).toContain('service_tier');
    expect(refusal({ metadata: { user_id: 'u' } })).toBeNull();
    expect(refusal({ metadata: { user_id: 'u'.repeat(257) } })).toContain('256');
  });
});

describe('version 2026-10-21', () => {
  const latest = (differences: Body): string | null => refusal(differences, '', '2026-10-21');

  test('takes no sampling parameters, not even their defaults', () => {
    expect(latest({})).toBeNull();
    expect(latest({ temperature: 1 })).toBe('400 temperature: Extra inputs are not permitted');
    expect(latest({ top_p: 1 })).toContain('top_p');
    expect(latest({ top_k: 5 })).toContain('top_k');
    expect(refusal({ temperature: 1 })).toBeNull();
  });

  test('takes no document from the assistant and no citation from the user', () => {
    const source = { type: 'text', media_type: 'text/plain', data: 'd' };
    const document = { type: 'document', source };
    const cited = text('t', { citations: [{ type: 'char_location' }] });
    const found = { type: 'search_result', source: 's', title: 't', content: [cited] };
    const byAssistant = { messages: [USER, assistant(document), USER] };
    expect(latest(byAssistant)).toContain('`document` blocks');
    expect(latest({ messages: [user(cited)] })).toContain('`citations`');
    expect(latest({ messages: [user(found)] })).toContain('`citations`');
    expect(
      latest({ messages: [user({ ...document, citations: { enabled: true } }), assistant(cited), USER] }),
    ).toBeNull();
    expect(latest({ messages: [user(text('t', { citations: [] }))] })).toBeNull();
    for (const old of [byAssistant, { messages: [user(cited)] }]) expect(refusal(old)).toBeNull();
  });
});
