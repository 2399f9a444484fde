import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, casesPresent, withCases } from '../../test/support/cases.ts';
import { naiveMessagesBody } from './testing/naive-canonical.ts';
import { inputOf, MESSAGES, OPTIONS, textOf } from './testing/pipeline.ts';
import { Pipeline } from './pipeline.ts';

// Reason of every skip here: the cases lie beside the repository and are not copied into it.

interface Recorded {
  readonly path: string;
  readonly request: { readonly body: unknown };
  readonly response: { readonly status: number };
}

const FOLDER = join(CASES, 'recorded/anthropic');
const [OF_CLAUDE, INPUT] = MESSAGES;
const pipeline = new Pipeline({ ...OPTIONS, ...OF_CLAUDE });
const bare = new Pipeline({ ...OPTIONS, ...OF_CLAUDE, cacheInject: false });
const sent = (one: Pipeline, text: string): string => textOf(one.prepare(inputOf(text, INPUT)));

/** Bodies that the vendor answered. */
function recorded(): readonly string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as Recorded)
    .filter(({ path, response }) => path.split('?')[0] === '/v1/messages' && response.status === 200)
    .map(({ request }) => JSON.stringify(request.body));
}

const withoutMarks = (_: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { cache_control: _mark, ...rest } = value as Record<string, unknown>;
  return rest;
};
const countMarks = (text: string): number => text.split('"cache_control":{').length - 1;

/** With the order of tools and of wrapper keys left aside. */
function content(text: string): unknown {
  const { tools = [], ...rest } = JSON.parse(text, withoutMarks) as { readonly tools?: readonly unknown[] };
  return { ...rest, tools: tools.map((tool) => JSON.stringify(tool)).toSorted() };
}

withCases.describe('bodies that were sent to Anthropic', () => {
  const bodies = casesPresent ? recorded() : [];

  test('are there', () => expect(bodies.length).toBeGreaterThan(150));

  test('go through with nothing lost, in every spelling', () => {
    for (const body of bodies) {
      const plain = sent(bare, body);
      expect(plain).toBe(naiveMessagesBody(body));
      expect(content(plain)).toEqual(content(body));
      expect(sent(bare, JSON.stringify(JSON.parse(body), null, 1))).toBe(plain);
      expect(sent(bare, plain)).toBe(plain);
    }
  });

  test('get marks and nothing else, four in all at most', () => {
    let marked = 0;
    for (const body of bodies) {
      const out = sent(pipeline, body);
      const added = countMarks(out) - countMarks(body);
      if (added > 0) marked++;
      else expect(out).toBe(sent(bare, body));
      expect(countMarks(out)).toBeLessThanOrEqual(4);
      expect(asBlocks(out)).toEqual(asBlocks(body));
    }
    expect(marked).toBeGreaterThan(20);
  });
});

/** {@link content} with every string in the place of blocks as the block that says the same. */
function asBlocks(text: string): unknown {
  const blocks = (value: unknown): unknown =>
    typeof value === 'string' ? [{ type: 'text', text: value }] : value;
  const body = content(text) as {
    readonly system?: unknown;
    readonly messages: readonly { readonly role: string; readonly content: unknown }[];
  };
  const messages = body.messages.map(({ role, content: said }) => ({ role, content: blocks(said) }));
  return { ...body, system: blocks(body.system), messages };
}
