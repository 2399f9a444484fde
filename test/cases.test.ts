import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Simulator } from '../src/simulator/server.ts';
import { CASES, casesPresent, withCases } from './support/cases.ts';
import { configFile } from './support/config-file.ts';
import type { Gateway } from './support/gateway.ts';
import {
  itemsOf,
  memberOf,
  membersOf,
  parseRaw,
  respelled,
  writeRaw,
  type RawJson,
} from './support/raw-json.ts';
import { startStage, type StageWithKey } from './support/stage.ts';

interface Case {
  readonly name: string;
  /** What the client sends, to the byte. */
  readonly body: string;
  /** What the vendor answered when it was recorded. */
  readonly status: number;
}

const PROMPTS = ['bfcl_single', 'cassettes_openai_chat', 'miniswe_deepseek_chat', 'taubench_airline_gpt4o'];
const CLIENTS = ['cline', 'pi'];
/** Requests at once in the concurrent pass. */
const CONCURRENCY = 16;

const linesOf = (path: string): string[] =>
  readFileSync(join(CASES, path), 'utf8')
    .split('\n')
    .filter((line) => line !== '');

/** The request as it stands in the line: `JSON.parse` and back would be another text. */
function promptCase(name: string, line: string): Case {
  const raw = parseRaw(line);
  const status = memberOf(raw, 'status');
  return {
    name,
    body: writeRaw(memberOf(raw, 'request')!),
    status: status === undefined ? 200 : Number(writeRaw(status)),
  };
}

const clientCase = (name: string, line: string): Case => ({
  name,
  body: (JSON.parse(line) as { raw_body: string }).raw_body,
  status: 200,
});

const cases: Case[] = casesPresent
  ? [
      ...PROMPTS.flatMap((file) =>
        linesOf(`prompts/${file}.jsonl`).map((line, index) => promptCase(`${file}:${index + 1}`, line)),
      ),
      ...CLIENTS.flatMap((file) =>
        linesOf(`clients/${file}.jsonl`).map((line, index) => clientCase(`${file}:${index + 1}`, line)),
      ),
    ]
  : [];

let stage: StageWithKey;
let simulator: Simulator;
let gateway: Gateway;
let key: string;

beforeAll(async () => {
  stage = await startStage({
    simulator: { record: true },
    vendors: ['openai', 'deepseek'],
    env: ({ url }) =>
      configFile(`
providers: [{ id: rest, base_url: "${url}/v1", accounts: [{ api_key: sk-up }] }]
default_provider: rest
`),
    key: { quota_usd: null },
  });
  ({ simulator, gateway, key } = stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

const lastSent = (): string => Buffer.from(simulator.bodies().at(-1) ?? []).toString('utf8');

async function send(body: string): Promise<{ status: number; text: string }> {
  const response = await gateway.chat(key, body, { 'x-tokenrouter-dedup': 'off' });
  return { status: response.status, text: await response.text() };
}

/** A tool's name; null for one of the vendor's own, which has none. */
function toolName(tool: RawJson): string | null {
  const name = memberOf(memberOf(tool, 'function') ?? memberOf(tool, 'custom') ?? tool, 'name');
  return name === undefined ? null : (JSON.parse(writeRaw(name)) as string);
}

/** By name; those without one behind them, in their order. */
function byName(one: RawJson, other: RawJson): number {
  const [left, right] = [toolName(one), toolName(other)];
  if (left === null || right === null) return Number(left === null) - Number(right === null);
  return left < right ? -1 : Number(left > right);
}

/** A part of a message, or the message: the order of its keys is free, everything within them is not. */
function sameMembers(given: RawJson, sent: RawJson, where: string, except: readonly string[] = []): void {
  const expected = membersOf(respelled(given));
  const found = membersOf(sent);
  for (const name of except) {
    expected.delete(name);
    found.delete(name);
  }
  if (!Bun.deepEquals(expected, found, true))
    expect({ where, ...Object.fromEntries(found) }).toEqual({ where, ...Object.fromEntries(expected) });
}

/**
 * Everything that the client has sent is sent on, token by token: strings with the same characters in their canonical
 * spelling, numbers in their own, keys in their order wherever a model could see it.
 */
function expectFaithful({ name, body }: Case, sentText: string): void {
  const given = parseRaw(body);
  const sent = parseRaw(sentText);
  // No spelling, no white space beside the canonical one.
  expect(writeRaw(respelled(sent)) === sentText).toBe(true);

  // The body itself: the order is free, and usage is asked for where a stream did not.
  sameMembers(given, sent, name, ['model', 'messages', 'tools', 'stream_options']);
  const model = JSON.parse(writeRaw(memberOf(given, 'model')!)) as string;
  expect(writeRaw(memberOf(sent, 'model')!)).toBe(JSON.stringify(model.replace(/^(openai|deepseek)\//, '')));

  const messages = itemsOf(memberOf(given, 'messages'));
  const sentMessages = itemsOf(memberOf(sent, 'messages'));
  expect(sentMessages).toHaveLength(messages.length);
  for (const [index, message] of messages.entries()) {
    const where = `${name} messages[${index}]`;
    const other = sentMessages[index]!;
    const parts = memberOf(message, 'content');
    if (parts?.kind !== 'array') {
      sameMembers(message, other, where);
      continue;
    }
    sameMembers(message, other, where, ['content']);
    const sentParts = itemsOf(memberOf(other, 'content'));
    expect(sentParts).toHaveLength(parts.items.length);
    for (const [at, part] of parts.items.entries())
      sameMembers(part, sentParts[at]!, `${where}.content[${at}]`);
  }

  const tools = itemsOf(memberOf(given, 'tools')).map(respelled).toSorted(byName);
  expect(itemsOf(memberOf(sent, 'tools')).map(writeRaw)).toEqual(tools.map(writeRaw));
}

withCases.describe('every request of the cases', () => {
  /** Sends all in their order; answers what the vendor got. */
  async function inOrder(): Promise<string[]> {
    const upstream: string[] = [];
    expect(cases.length).toBe(1_248);
    const refused: string[] = [];
    for (const one of cases) {
      const before = simulator.stats().received;
      const { status, text } = await send(one.body);
      if (status !== 200) {
        // Two requests that the real vendor has refused, too.
        expect(`${one.name} ${one.status} ${text}`).toContain(` ${status} {"error"`);
        refused.push(one.name);
      }
      if (simulator.stats().received === before) {
        // An empty list of messages: refused here as it was there.
        expect(status).toBe(400);
        continue;
      }
      const sent = lastSent();
      expectFaithful(one, sent);
      upstream.push(sent);
    }
    expect(refused).toHaveLength(2);
    return upstream;
  }

  test('is answered, reaches the vendor as it was meant, and as the same bytes again, whatever else is under way', async () => {
    const upstream = await inOrder();
    expect(upstream).toHaveLength(1_247);
    simulator.reset();
    const queue = cases.values();
    let answered = 0;
    const lane = async (): Promise<void> => {
      for (const one of queue) {
        const { status } = await send(one.body);
        answered += Number(status === 200);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, lane));
    expect(answered).toBe(cases.length - 2);
    const again = simulator.bodies().map((sent) => Buffer.from(sent).toString('utf8'));
    expect(again.length).toBe(upstream.length);
    expect(Bun.deepEquals(again.toSorted(), upstream.toSorted())).toBe(true);
  });
});

withCases.describe('naughty strings', () => {
  const naughty = casesPresent
    ? (JSON.parse(readFileSync(join(CASES, 'json/blns/blns.json'), 'utf8')) as string[])
    : [];

  test('reach the vendor, wherever they stand', async () => {
    expect(naughty.length).toBeGreaterThan(400);
    for (const [index, text] of naughty.entries()) {
      const body = JSON.stringify({
        model: 'gpt-4o',
        messages: [
          { role: 'system', content: text },
          { role: 'user', content: [{ type: 'text', text }] },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: text } }],
          },
          { role: 'tool', tool_call_id: 'a', content: text },
        ],
        tools: [
          {
            type: 'function',
            function: {
              name: 'f',
              description: text,
              parameters: { type: 'object', properties: { [text]: { description: text } } },
            },
          },
        ],
        metadata: { text },
        user: text,
      });
      const { status, text: answer } = await send(body);
      if (status !== 200) throw new Error(`${JSON.stringify(text)}: ${answer}`);
      expectFaithful({ name: `blns:${index}`, body, status: 200 }, lastSent());
      expect(JSON.parse(lastSent())).toEqual(JSON.parse(body));
    }
  });

  test('in every spelling: escaped, with lone surrogates, with a slash', async () => {
    // Not all in one: Bun 1.4.5 gives the raw text of a template that is not ASCII with escapes of its own.
    const content = `é 😀 ${String.raw`\u00e9 \/ / \ud83d\ude00 \ud800 \udc00x \u0000\u001f\u007f\u2028 \b\f\n\r\t\"\\ \u0041`}`;
    const body = `{"messages": [{"content": "${content}", "role": "user"}], "model": "gpt-4o"}`;
    expect(await send(body)).toMatchObject({ status: 200 });
    const sent = JSON.parse(lastSent()) as { messages: { content: string }[] };
    expect(sent.messages[0]?.content).toBe(JSON.parse(`"${content}"`) as string);
    expectFaithful({ name: 'spellings', body, status: 200 }, lastSent());
  });

  test('numbers keep their text, integer-like keys their place', async () => {
    const body =
      '{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"temperature":1.0,"top_p":1e0,"seed":9007199254740993,' +
      '"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"b":{"minimum":-0,"maximum":1E+400},"10":{"default":0.10},"9":{},"a":{"enum":[1,1.0,1.00,10e-1]}}}}}]}';
    expect((await send(body)).status).toBe(200);
    expectFaithful({ name: 'numbers', body, status: 200 }, lastSent());
    expect(lastSent()).toContain(
      '{"b":{"minimum":-0,"maximum":1E+400},"10":{"default":0.10},"9":{},"a":{"enum":[1,1.0,1.00,10e-1]}}',
    );
  });
});
