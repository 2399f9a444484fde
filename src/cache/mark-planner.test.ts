import { describe, expect, test } from 'bun:test';
import { BlockKind } from '../dialects/block-list.ts';
import { Ttl } from '../dialects/cache-mark.ts';
import { MarkPlanner } from './mark-planner.ts';
import { PromptLayout, type Speaker } from './prompt-layout.ts';

/** A block: a letter for what it is, and the client's mark. `t` text, `c` tool call, `r` tool result, `-` takes no mark. */
type Block = `${'t' | 'c' | 'r' | '-'}${'' | ' 5m' | ' 1h'}`;

interface Prompt {
  readonly tools?: readonly Block[];
  readonly system?: readonly Block[];
  readonly messages: readonly (readonly [Speaker, ...(readonly Block[])])[];
  /** The mark that the vendor puts on the last block. */
  readonly automatic?: '5m' | '1h';
  readonly bytesPerBlock?: number;
  readonly folds?: boolean;
}

const KINDS = { t: BlockKind.Other, c: BlockKind.ToolCall, r: BlockKind.ToolResult, '-': BlockKind.Other };
const TTLS = { '': Ttl.None, '5m': Ttl.FiveMinutes, '1h': Ttl.OneHour };
const MIN_TOKENS = 1024;

const planner = new MarkPlanner();

/** What is marked: `tool 1`, `system 0`, `message 2.1`, each with its TTL, in the order of the prompt. */
function plan(prompt: Prompt, ttl: '5m' | '1h' = '5m', minTokens = MIN_TOKENS): readonly string[] {
  const { automatic = '', bytesPerBlock = 10_000, folds = true, messages, system = [], tools = [] } = prompt;
  const all = [...tools, ...system, ...messages.flatMap(([, ...blocks]) => blocks)];
  const layout = new PromptLayout();
  const names: string[] = [];
  const add = (name: string, block: Block): void => {
    const [what, mark = ''] = block.split(' ') as [keyof typeof KINDS, ('5m' | '1h')?];
    names.push(name);
    layout.add(KINDS[what], names.length * bytesPerBlock, what !== '-', TTLS[mark]);
  };
  layout.open(folds, all.filter((block) => block.includes(' ')).length, TTLS[automatic]);
  for (const [index, block] of tools.entries()) add(`tool ${index}`, block);
  layout.endTools();
  for (const [index, block] of system.entries()) add(`system ${index}`, block);
  layout.endSystem();
  for (const [message, [speaker, ...blocks]] of messages.entries()) {
    for (const [index, block] of blocks.entries()) add(`message ${message}.${index}`, block);
    layout.endMessage(speaker);
  }
  planner.plan(layout, minTokens, TTLS[ttl]);
  return Array.from({ length: planner.blocks.length }, (_, at) => [
    planner.blocks.at(at),
    planner.ttls.at(at),
  ])
    .toSorted(([one = 0], [other = 0]) => one - other)
    .map(([block = 0, ttl]) => `${names[block]} ${ttl === Ttl.OneHour ? '1h' : '5m'}`);
}

const row = <Of extends Block>(block: Of, times: number): Of[] => Array.from({ length: times }, () => block);
/** A conversation of so many turns; each is a user's message, and an answer of so many blocks before the next. */
const turns = (count: number, answer: readonly Block[] = ['t']): Prompt['messages'] =>
  Array.from({ length: count }, (_, turn): Prompt['messages'] =>
    turn === 0
      ? [['user', 't']]
      : [
          ['assistant', ...answer],
          ['user', 't'],
        ],
  ).flat();

describe('without marks of the client', () => {
  test('the first turn: its end, the end of the system prompt, the end of the tools', () => {
    expect(plan({ tools: ['t', 't'], system: ['t', 't'], messages: turns(1) })).toEqual([
      'tool 1 5m',
      'system 1 5m',
      'message 0.0 5m',
    ]);
    expect(plan({ tools: ['t'], messages: turns(1) })).toEqual(['tool 0 5m', 'message 0.0 5m']);
    expect(plan({ messages: turns(1) })).toEqual(['message 0.0 5m']);
  });

  test('later ones: the newest and the one before', () => {
    expect(plan({ tools: ['t'], system: ['t'], messages: turns(3) })).toEqual([
      'tool 0 5m',
      'system 0 5m',
      'message 2.0 5m',
      'message 4.0 5m',
    ]);
  });

  test('the last block that can carry a mark is taken, in each place', () => {
    expect(plan({ tools: ['t', '-'], system: ['t', '-'], messages: [['user', 't', 't', '-', '-']] })).toEqual(
      ['tool 0 5m', 'system 0 5m', 'message 0.1 5m'],
    );
    expect(plan({ tools: ['-'], system: ['-'], messages: [['user', '-']] })).toEqual([]);
  });

  test('messages of the assistant and of the system carry none', () => {
    expect(
      plan({
        messages: [
          ['user', 't'],
          ['system', 't'],
          ['assistant', 't'],
        ],
      }),
    ).toEqual(['message 0.0 5m']);
  });

  test('results and what follows them are one turn', () => {
    expect(
      plan({
        messages: [
          ['user', 't'],
          ['assistant', 'c'],
          ['user', 'r'],
          ['user', 't'],
        ],
      }),
    ).toEqual(['message 0.0 5m', 'message 3.0 5m']);
  });

  test('a turn before the last two that no mark reaches has one instead of the tools', () => {
    const near = plan({ tools: ['t'], system: ['t'], messages: turns(4, row('t', 18)) });
    expect(near).toEqual(['tool 0 5m', 'system 0 5m', 'message 4.0 5m', 'message 6.0 5m']);
    const far = plan({ tools: ['t'], system: ['t'], messages: turns(4, row('t', 19)) });
    expect(far).toEqual(['system 0 5m', 'message 2.0 5m', 'message 4.0 5m', 'message 6.0 5m']);
  });

  test('an end within the newest turn that no mark reaches comes before that', () => {
    const ending = (blocks: number): Prompt['messages'] => [
      ...turns(3, row('t', 30)),
      ['user', ...row('t', blocks)],
    ];
    expect(plan({ tools: ['t'], messages: ending(20) })).toEqual([
      'message 0.0 5m',
      'message 2.0 5m',
      'message 4.0 5m',
      'message 5.19 5m',
    ]);
    expect(plan({ tools: ['t'], messages: ending(19) })).toEqual([
      'tool 0 5m',
      'message 0.0 5m',
      'message 2.0 5m',
      'message 5.18 5m',
    ]);
  });

  test('what is left over reaches further back', () => {
    expect(plan({ messages: turns(6, row('t', 30)) })).toEqual([
      'message 4.0 5m',
      'message 6.0 5m',
      'message 8.0 5m',
      'message 10.0 5m',
    ]);
    // Two turns are 20 positions: a mark reaches the turn before its own, and the one before that is marked.
    expect(plan({ messages: turns(20, row('t', 9)) })).toEqual([
      'message 28.0 5m',
      'message 32.0 5m',
      'message 36.0 5m',
      'message 38.0 5m',
    ]);
  });

  test('a row of calls and a row of results count as one position, where they do', () => {
    const messages: Prompt['messages'] = Array.from({ length: 4 }, (): Prompt['messages'] => [
      ['user', ...row('r', 30)],
      ['assistant', 't', ...row('c', 30)],
    ])
      .flat()
      .slice(0, -1);
    expect(plan({ tools: ['t'], system: ['t'], messages })).toContain('tool 0 5m');
    expect(plan({ tools: ['t'], system: ['t'], messages, folds: false })).not.toContain('tool 0 5m');
  });

  test('nothing is marked that is surely too short for the model', () => {
    const bytesPerBlock = MIN_TOKENS;
    const prompt: Prompt = { tools: ['t'], system: ['t'], messages: [['user', 't']], bytesPerBlock };
    // A token in two bytes at most: the first block has 512, both together 1,024.
    expect(plan(prompt)).toEqual(['system 0 5m', 'message 0.0 5m']);
    expect(plan(prompt, '5m', 1537)).toEqual([]);
  });

  test('CACHE_TTL', () => {
    expect(plan({ system: ['t'], messages: turns(2) }, '1h')).toEqual([
      'system 0 1h',
      'message 0.0 1h',
      'message 2.0 1h',
    ]);
  });
});

describe('with marks of the client', () => {
  test('four are left alone, the automatic one counted', () => {
    const system = row('t 5m', 3);
    expect(plan({ system, messages: [['user', 't 5m']] })).toEqual([]);
    expect(plan({ system, messages: turns(3), automatic: '5m' })).toEqual([]);
    expect(plan({ system: row('t 5m', 5), messages: turns(3) })).toEqual([]);
  });

  test('there are never more than four in all', () => {
    for (let own = 0; own <= 4; own++) {
      const system = [...row('t 5m', own), ...row('t', 2)];
      const added = plan({ tools: ['t'], system, messages: turns(9, row('t', 40)) });
      expect(added.length).toBe(Math.max(0, 4 - own));
    }
  });

  test('its newest turn is marked: only what lies before its mark is', () => {
    expect(
      plan({
        tools: ['t'],
        system: ['t'],
        messages: [...turns(2), ['assistant', 't'], ['user', 't 5m', 't']],
      }),
    ).toEqual(['tool 0 5m', 'system 0 5m', 'message 2.0 5m']);
  });

  test('a first turn: what lies behind its last mark is not marked, a later one is', () => {
    expect(plan({ tools: ['t'], system: ['t 5m', 't'], messages: turns(1) })).toEqual(['tool 0 5m']);
    expect(plan({ tools: ['t'], system: ['t 5m', 't'], messages: turns(2) })).toEqual([
      'system 1 5m',
      'message 0.0 5m',
      'message 2.0 5m',
    ]);
  });

  test('marks of earlier turns do not keep the newest from its own', () => {
    expect(
      plan({
        messages: [
          ['user', 't 5m', 't'],
          ['assistant', 't'],
          ['user', 't'],
        ],
      }),
    ).toEqual(['message 0.1 5m', 'message 2.0 5m']);
  });

  test('the automatic mark has the newest turn for itself', () => {
    expect(plan({ tools: ['t'], system: ['t'], messages: turns(1), automatic: '5m' })).toEqual([
      'tool 0 5m',
      'system 0 5m',
    ]);
    expect(plan({ tools: ['t'], system: ['t'], messages: turns(2), automatic: '5m' })).toEqual([
      'tool 0 5m',
      'system 0 5m',
      'message 0.0 5m',
    ]);
    // Without a block in a message that takes one, it comes to lie on the system prompt.
    expect(plan({ system: ['t'], messages: [['user', '-']], automatic: '5m' })).toEqual([]);
  });

  test('it reaches back like any other', () => {
    const messages = turns(4, row('t', 30));
    expect(plan({ tools: ['t'], messages, automatic: '5m' })).toEqual([
      'tool 0 5m',
      'message 2.0 5m',
      'message 4.0 5m',
    ]);
  });
});

describe('TTLs: longer ones come before shorter ones', () => {
  test('before a long mark of the client, marks are long', () => {
    expect(plan({ tools: ['t'], system: ['t'], messages: [['user', 't 1h']] })).toEqual([
      'tool 0 1h',
      'system 0 1h',
    ]);
    expect(plan({ tools: ['t'], messages: turns(2), automatic: '1h' })).toEqual([
      'tool 0 1h',
      'message 0.0 1h',
    ]);
  });

  test('behind a short one they are short', () => {
    expect(plan({ tools: ['t'], system: ['t 5m'], messages: turns(2) }, '1h')).toEqual([
      'tool 0 5m',
      'message 0.0 5m',
      'message 2.0 5m',
    ]);
  });

  test('before a short one they are short: the client did not choose to pay for an hour', () => {
    const marked: Prompt['messages'] = [...turns(1), ['assistant', 't'], ['user', 't 5m']];
    const short = ['tool 0 5m', 'system 0 5m', 'message 0.0 5m'];
    expect(plan({ tools: ['t'], system: ['t'], messages: marked }, '1h')).toEqual(short);
    const automatic: Prompt = { tools: ['t'], system: ['t'], messages: turns(2), automatic: '5m' };
    expect(plan(automatic, '1h')).toEqual(short);
    expect(plan({ tools: ['t'], system: ['t 1h'], messages: marked }, '1h')).toEqual([
      'tool 0 1h',
      'message 0.0 5m',
    ]);
  });

  test('behind a long one they are as configured', () => {
    const prompt: Prompt = { system: ['t 1h'], messages: turns(2) };
    expect(plan(prompt)).toEqual(['message 0.0 5m', 'message 2.0 5m']);
    expect(plan(prompt, '1h')).toEqual(['message 0.0 1h', 'message 2.0 1h']);
  });

  test('between a short and a long one, which the vendor refuses anyway, there is none', () => {
    expect(plan({ tools: ['t 5m'], system: ['t'], messages: [['user', 't 1h']] })).toEqual([]);
  });

  test('a block with both counts as both', () => {
    const layout = new PromptLayout();
    layout.open(true, 2, 0);
    layout.endTools();
    layout.add(BlockKind.Other, 10_000, true, 0);
    layout.endSystem();
    layout.add(BlockKind.ToolResult, 20_000, true, Ttl.OneHour | Ttl.FiveMinutes);
    layout.endMessage('user');
    layout.add(BlockKind.Other, 30_000, true, 0);
    layout.endMessage('assistant');
    layout.add(BlockKind.Other, 40_000, true, 0);
    layout.endMessage('user');
    planner.plan(layout, MIN_TOKENS, Ttl.OneHour);
    expect([planner.blocks.length, planner.blocks.at(0), planner.ttls.at(0)]).toEqual([
      2,
      3,
      Ttl.FiveMinutes,
    ]);
    expect([planner.blocks.at(1), planner.ttls.at(1)]).toEqual([0, Ttl.OneHour]);
  });
});

test('the plan of a turn depends on nothing that follows', () => {
  const messages = turns(8, row('t', 12));
  for (let length = 1; length <= messages.length; length += 2) {
    const prompt: Prompt = { tools: ['t'], system: ['t'], messages: messages.slice(0, length) };
    const alone = plan(prompt);
    plan({ tools: ['t'], system: ['t'], messages });
    expect(plan(prompt)).toEqual(alone);
  }
});
