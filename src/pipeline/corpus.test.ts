import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, caseLines, casesPresent, withCases } from '../../test/support/cases.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { naiveCanonicalBody } from './testing/naive-canonical.ts';
import { inputOf, OPTIONS, textOf } from './testing/pipeline.ts';
import { Pipeline } from './pipeline.ts';

// Reason of every skip here: the cases lie beside the repository and are not copied into it.

interface Message {
  readonly role?: string;
  readonly content?: unknown;
  readonly tool_calls?: readonly { readonly function?: { readonly arguments?: string } }[] | null;
}
interface Body {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly tools?: readonly unknown[];
  readonly response_format?: unknown;
  readonly stream?: boolean;
  readonly prompt_cache_key?: string;
}
interface PromptLine {
  readonly conversation_id: string;
  readonly turn: number;
  /** What the vendor answered, where it was recorded. */
  readonly status?: number;
  readonly request: Body;
}
interface ClientLine {
  readonly conversation_id: string;
  readonly turn: number;
  readonly raw_body: string;
}

const pipeline = new Pipeline(OPTIONS);
const bare = new Pipeline({ ...OPTIONS, cacheInject: false });

/** The requests of a file; of those that the vendor itself refused, the ones that the gateway does not refuse before it. */
function requestsOf(file: string): PromptLine[] {
  return caseLines<PromptLine>(`prompts/${file}`).filter(({ request, status }) => {
    if (status !== 400) return true;
    try {
      pipeline.prepare(inputOf(JSON.stringify(request)));
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(GatewayError);
      return false;
    }
  });
}

/** Name of a tool as the Arranger sees it. */
const nameOf = (tool: unknown): string => {
  const { function: inner, name } = tool as { function?: { name?: string }; name?: string };
  return inner?.name ?? name ?? '\uffff';
};

/** Text of a value with the order of its keys: what a vendor's template would show of it. */
const shown = (value: unknown): string => JSON.stringify(value);

/** What must hold of every request that goes through. */
function checkKept(text: string, sentText: string): void {
  const given = JSON.parse(text) as Body;
  const sent = JSON.parse(sentText) as Body;
  expect(sent.messages.length).toBe(given.messages.length);
  for (let index = 0; index < given.messages.length; index++) {
    const [one, other] = [given.messages[index]!, sent.messages[index]!];
    expect(other).toEqual(one);
    expect(shown(other.tool_calls ?? null)).toBe(shown(one.tool_calls ?? null));
    if (typeof one.content === 'string') expect(other.content).toBe(one.content);
  }
  const byName = (tools: readonly unknown[] = []): string[] =>
    tools
      .toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : nameOf(one) > nameOf(other) ? 1 : 0))
      .map(shown);
  expect((sent.tools ?? []).map(shown)).toEqual(byName(given.tools ?? []));
  expect(shown(sent.response_format ?? null)).toBe(shown(given.response_format ?? null));
  const {
    messages: _one,
    tools: _two,
    stream_options: usage,
    prompt_cache_key: key,
    ...rest
  } = sent as Body & {
    stream_options?: { include_usage?: boolean };
    prompt_cache_key?: string;
  };
  expect(given).toMatchObject(rest);
  if (given.stream === true) expect(usage?.include_usage).toBe(true);
  // Tools or a leading system message make one.
  const opens = (sent.tools ?? []).length > 0 || /^(system|developer)$/.test(sent.messages[0]?.role ?? '');
  if (opens || given.prompt_cache_key !== undefined) expect(key).toBeString();
  else expect(key).toBeUndefined();
}

withCases.describe('recorded prompts', () => {
  const files = casesPresent ? readdirSync(join(CASES, 'prompts')) : [];
  test('are there', () => expect(files.length).toBe(4));

  test.each(files)('%s go through with nothing lost', (file) => {
    const lines = requestsOf(file);
    expect(lines.length).toBeGreaterThan(50);
    for (const { request } of lines) {
      const text = JSON.stringify(request);
      checkKept(text, textOf(pipeline.prepare(inputOf(text))));
      const spaced = JSON.stringify(request, null, 1);
      const plain = bare.prepare(inputOf(spaced));
      if (request.stream !== true) expect(textOf(plain) === naiveCanonicalBody(spaced)).toBe(true);
      expect(Buffer.from(plain.fullHash).equals(pipeline.prepare(inputOf(text)).fullHash)).toBe(true);
    }
  });

  test.each(files)('%s: what was sent for a turn is sent for it again', (file) => {
    let earlier: { line: PromptLine; messages: string; head: string; affinity: number } | null = null;
    let continued = 0;
    for (const line of requestsOf(file)) {
      const prepared = pipeline.prepare(inputOf(JSON.stringify(line.request)));
      const text = textOf(prepared);
      const at = text.indexOf(',"messages":[');
      const [head, messages] = [text.slice(0, at), text.slice(at, -2)];
      const goesOn =
        earlier !== null &&
        earlier.line.conversation_id === line.conversation_id &&
        line.request.messages.length > earlier.line.request.messages.length &&
        earlier.line.request.messages.every((one, index) =>
          Bun.deepEquals(one, line.request.messages[index]),
        );
      if (goesOn && earlier !== null) {
        continued++;
        expect(messages.startsWith(`${earlier.messages},`)).toBe(true);
        if (shown(earlier.line.request.tools ?? null) === shown(line.request.tools ?? null))
          expect(prepared.affinityHash).toBe(earlier.affinity);
      }
      earlier = { line, messages, head, affinity: prepared.affinityHash };
    }
    if (!/bfcl|cassettes/.test(file)) expect(continued).toBeGreaterThan(20);
  });
});

withCases.describe('bodies as two coding agents sent them', () => {
  test.each(['cline', 'pi'])('%s: byte by byte the same prefix from turn to turn', (client) => {
    const lines = caseLines<ClientLine>(`clients/${client}.jsonl`);
    expect(lines).toHaveLength(21);
    const seen = new Map<string, { messages: string; head: string; affinity: number }>();
    for (const { conversation_id: id, raw_body: raw } of lines) {
      const prepared = pipeline.prepare(inputOf(raw));
      const text = textOf(prepared);
      checkKept(raw, text);
      const at = text.indexOf(',"messages":[');
      const [head, messages] = [text.slice(0, at), text.slice(at, -2)];
      const earlier = seen.get(id);
      if (earlier !== undefined) {
        expect(head).toBe(earlier.head);
        expect(messages.startsWith(`${earlier.messages},`)).toBe(true);
        expect(prepared.affinityHash).toBe(earlier.affinity);
      }
      seen.set(id, { messages, head, affinity: prepared.affinityHash });
    }
    expect(seen.size).toBe(3);
  });
});

withCases.describe('JSONTestSuite as bodies', () => {
  test('no file does more than be refused with a 400, nor does one as a field', () => {
    for (const folder of ['test_parsing', 'test_transform']) {
      const path = join(CASES, 'json/jsontestsuite', folder);
      for (const name of readdirSync(path)) {
        const bytes = readFileSync(join(path, name));
        const field = Buffer.concat([
          Buffer.from('{"model":"m","messages":[{"role":"user","content":"x"}],"field":'),
          bytes,
          Buffer.from('}'),
        ]);
        for (const body of [bytes, field]) {
          try {
            expect(textOf(pipeline.prepare(inputOf(body)))).toContain('"field":');
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
            expect((error as GatewayError).spec.status).toBe(400);
          }
        }
      }
    }
  });
});

withCases.describe('naughty strings as content', () => {
  test('arrive byte by byte, in every place where a string may stand', () => {
    const strings = JSON.parse(readFileSync(join(CASES, 'json/blns/blns.json'), 'utf8')) as string[];
    for (const content of strings) {
      const messages = [
        { role: 'system', content },
        { content: [{ text: content, type: 'text' }], role: 'user' },
        {
          role: 'assistant',
          content,
          tool_calls: [{ id: content, function: { name: 'f', arguments: content } }],
        },
      ];
      const text = JSON.stringify({ model: 'm', messages });
      const escaped = text.replace(
        /[^ -~]/g,
        (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
      for (const body of [text, escaped]) {
        const sent = textOf(pipeline.prepare(inputOf(body)));
        expect((JSON.parse(sent) as { messages: unknown }).messages).toEqual(messages);
        expect(sent.split(JSON.stringify(content)).length).toBeGreaterThan(5);
      }
    }
  });
});
