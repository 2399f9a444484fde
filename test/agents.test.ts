import { expect, test } from 'bun:test';
import { CLAUDE, GPT, startSetting } from './support/anthropic.ts';
import { AgentHome, agentsMissing, claudeCode, pi } from './support/agents.ts';
import { settledUsd } from './support/money.ts';
import { skipUnless } from './support/skip-unless.ts';

/** Agents as they are installed from npm, in a conversation with tools that several launches go on with. */

const missing = await agentsMissing();
if (missing !== null) console.log(`agents are not tested: ${missing}`);

const LAUNCHES = 3;
const cases = [claudeCode, pi].flatMap((agent) =>
  [CLAUDE, GPT].map((model) => [agent.name, model, agent] as const),
);

const withAgents = skipUnless(missing === null, 'without the agents of npm');

/** What the simulator says to one tool result. */
const saidTo = (result: string): string =>
  `to 1 results#${Bun.hash.xxHash3(result).toString(16).padStart(16, '0')}`;

interface Upstream {
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly reasoning_effort?: string;
  readonly tools: readonly unknown[];
}

withAgents.describe('Claude Code, which thinks and asks for 32,000 tokens, ends a task', () => {
  test.each([
    ['gpt-4o', 16_384, undefined],
    ['gpt-5.2', 32_000, 'high'],
    ['gpt-5.4', 32_000, 'none'],
    ['gpt-5.6-sol', 32_000, 'none'],
  ])(
    'on %s',
    async (model, tokens, effort) => {
      await using setting = await startSetting();
      const { gateway, key, simulator } = setting;
      using home = new AgentHome();
      const nonce = crypto.randomUUID();
      const file = '"$HOME/task.txt"';
      home.script('0', `echo begun ${nonce} >${file}; wc -l <${file}`);
      home.script('1', `sed -i.bak s/begun/ended/ ${file}; grep -c ended ${file}`);
      home.script('2', `echo checked >>${file}; cat ${file}`);
      const done = `ended ${nonce}\nchecked`;

      const output = await home.run(
        claudeCode,
        { url: gateway.url, key, model },
        'Use Bash until it is done. [[sim:rounds=3]]',
        false,
      );
      expect(JSON.parse(output)).toMatchObject({
        subtype: 'success',
        is_error: false,
        num_turns: 4,
        result: expect.stringContaining(saidTo(done)) as string,
      });
      expect(home.text('task.txt')).toBe(`${done}\n`);

      const sent = simulator.bodies().map((body) => JSON.parse(Buffer.from(body).toString()) as Upstream);
      expect(sent).toHaveLength(4);
      for (const body of sent) {
        expect(body.tools.length).toBeGreaterThan(10);
        expect(body.max_completion_tokens ?? body.max_tokens).toBe(tokens);
        expect(body.reasoning_effort).toBe(effort);
      }
      expect(await gateway.metric('requests_total', { model, status: '200' })).toBe(4);
      expect(await gateway.metric('requests_total')).toBe(4);
    },
    45_000,
  );
});

withAgents.describe('an agent', () => {
  test.each(cases)(
    '%s on %s',
    async (name, model, agent) => {
      await using setting = await startSetting();
      const { gateway, key, keyId, simulator } = setting;
      using home = new AgentHome();
      const nonce = crypto.randomUUID();
      // The simulator calls for `command 0`. Each run of it prints what no other has, and enough to be worth caching.
      home.script(
        '0',
        `echo run >>"$HOME/runs"\nprintf '${nonce}-%d\\n' "$(wc -l <"$HOME/runs")"\necho '${'clear, dry, light wind; '.repeat(80)}'\n`,
      );
      const bill = () => simulator.stats().bill[model]!;
      const sent = (): string[] => simulator.bodies().map((body) => Buffer.from(body).toString());

      const read: number[] = [];
      for (let launch = 1; launch <= LAUNCHES; launch++) {
        const before = { requests: sent().length, cached: launch === 1 ? 0 : bill().cachedTokens };
        const prompt = `Use ${agent.shell}, this is number ${launch}.`;
        const target = { url: gateway.url, key, model };
        expect(await home.run(agent, target, prompt, launch > 1)).toContain('to 1 results#');
        read.push(bill().cachedTokens - before.cached);
        // Of every launch the first request has all that was, the next one what its tool has printed.
        const [asked, answered] = sent().slice(before.requests);
        const runsIn = (body: string | undefined): string[] => [
          ...new Set((body ?? '').match(new RegExp(`${nonce}-\\d+`, 'g'))),
        ];
        const runs = Array.from({ length: launch }, (_, index) => `${nonce}-${index + 1}`);
        expect(runsIn(asked)).toEqual(runs.slice(0, -1));
        expect(runsIn(answered)).toEqual(runs);
        expect(sent()).toHaveLength(before.requests + 2);
      }

      expect(read[0]).toBeGreaterThan(0);
      for (let launch = 1; launch < LAUNCHES; launch++)
        expect(read[launch]).toBeGreaterThan(read[launch - 1]!);
      const statuses = async (labels: Readonly<Record<string, string>> = {}): Promise<number> =>
        gateway.metric('requests_total', labels);
      expect(await statuses({ model, status: '200' })).toBe(2 * LAUNCHES);
      expect(await statuses()).toBe(2 * LAUNCHES);
      const usd = await settledUsd(gateway, keyId);
      expect(usd).toBeGreaterThan(0);
      expect(usd).toBeCloseTo(bill().usd!, 8);
    },
    LAUNCHES * 45_000,
  );
});
