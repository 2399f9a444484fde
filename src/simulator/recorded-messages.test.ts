import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { CASES, caseLines, casesPresent, withCases } from '../../test/support/cases.ts';
import {
  askClaude,
  type Body,
  type NamedEvent,
  namedEventsOf,
  postMessages,
  withSimulator,
} from './testing/client.ts';
import { anthropicDialect, countMessageTokens } from './dialects/anthropic.ts';
import { isVendorError } from './vendor-error.ts';

/** Exchanges with the real service: what it took is taken here, and what it sent has the shape of what is sent here. */

interface Exchange {
  readonly id: string;
  readonly path: string;
  readonly request: { readonly headers: Readonly<Record<string, string>>; readonly body: Body | null };
  readonly response: { readonly status: number; readonly body?: Body };
}

const ROOT = join(CASES, 'recorded/anthropic');
const FOLDERS = casesPresent ? [ROOT, join(CASES, 'recorded/vercel_ai_fixtures/anthropic')] : [];
/** Made by hand, to try clients with what should not be. */
const BROKEN = /duplicate|spliced/;

const index = casesPresent ? caseLines<{ readonly id: string }>('recorded/index.jsonl') : [];
const calls: Exchange[] = [];
for (const { id } of index) {
  if (!id.startsWith('anthropic/')) continue;
  const exchange = (await Bun.file(`${ROOT}/${id.slice('anthropic/'.length)}.json`).json()) as Exchange;
  const isCall =
    exchange.path.startsWith('/v1/messages') && Array.isArray(exchange.request.body?.['messages']);
  if (isCall) calls.push(exchange);
}

const streams: NamedEvent[][] = [];
for (const folder of FOLDERS) {
  for await (const file of new Bun.Glob('*.sse').scan(folder)) {
    if (!BROKEN.test(file)) streams.push(namedEventsOf(await Bun.file(`${folder}/${file}`).text()));
  }
}

/** Names of all fields, `a.b` for those of objects inside. */
function fieldsOf(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [prefix];
  return Object.entries(value).flatMap(([name, member]) =>
    fieldsOf(member, prefix === '' ? name : `${prefix}.${name}`),
  );
}

/** Fields that some recorded one of a kind has, and those that every one has. */
class Kinds {
  readonly #some = new Map<string, Set<string>>();
  readonly #every = new Map<string, Set<string>>();

  add(kind: string, value: unknown): void {
    const fields = new Set(fieldsOf(value));
    this.#some.set(kind, (this.#some.get(kind) ?? new Set<string>()).union(fields));
    this.#every.set(kind, this.#every.get(kind)?.intersection(fields) ?? fields);
  }

  /** How a value differs from all recorded ones. */
  faults(kind: string, value: unknown): string[] {
    const fields = new Set(fieldsOf(value));
    const some = this.#some.get(kind);
    if (some === undefined) return [`${kind}: never recorded`];
    const strange = [...fields.difference(some)].map((name) => `${kind}: ${name} was never recorded`);
    const missing = [...(this.#every.get(kind) ?? [])].filter((name) => !fields.has(name));
    return [...strange, ...missing.map((name) => `${kind}: lacks ${name}`)];
  }
}

/** The `type` of a block or delta, '' where there is none. */
const typeOf = (value: unknown): string => (value as { readonly type?: string } | undefined)?.type ?? '';

/** A message or an event without what is inside the client's own values. */
const withoutInput = (block: Body): Body => ('input' in block ? { ...block, input: 0 } : block);

/** Kind and fields of an event. */
function told({ name, data }: NamedEvent): [kind: string, value: Body] {
  const block = data['content_block'] as Body | undefined;
  const kind = `${name} ${typeOf(data['delta'])}${typeOf(block)}`;
  return [kind, block === undefined ? data : { ...data, content_block: withoutInput(block) }];
}

/** Which kind of event follows which. */
function steps(events: readonly NamedEvent[]): string[] {
  const kinds = events.filter(({ name }) => name !== 'ping').map((event) => told(event)[0]);
  return kinds.slice(1).map((kind, index) => `${kinds[index]} → ${kind}`);
}

const TOOL = {
  name: 'f',
  input_schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
};
const BARE_TOOL = { name: 'bare', input_schema: { type: 'object', properties: {} } };
const THINKING = { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 };
/** Requests that make the simulator say what the service was recorded saying. */
const BODIES = [
  askClaude('hello'),
  askClaude('hello', THINKING),
  askClaude('f [[sim:tools=2]]', { tools: [TOOL] }),
  askClaude('bare', { tools: [BARE_TOOL] }),
  askClaude('f', { tools: [TOOL], ...THINKING }),
];

withCases.describe('recorded exchanges', () => {
  /** Thinking that was made elsewhere cannot be known here, and of one text the recording says only that it was too long. */
  const UNKNOWABLE = /"type":"(redacted_)?thinking"|<MASSIVE_TEXT>/;

  test('what the service took is taken, what it refused is refused', () => {
    const differing: string[] = [];
    let taken = 0;
    for (const { id, path, request, response } of calls) {
      if (request.body === null || UNKNOWABLE.test(JSON.stringify(request.body['messages']))) continue;
      const headers = new Map(Object.entries(request.headers));
      const read = path.endsWith('/count_tokens')
        ? countMessageTokens(request.body, headers)
        : anthropicDialect.read(request.body, headers);
      const status = isVendorError(read) ? read.status : 200;
      if (status === 200) taken++;
      if (status !== response.status)
        differing.push(`${id}: ${status} ${isVendorError(read) ? read.message : ''}`);
    }
    expect(differing).toEqual([]);
    expect(taken).toBeGreaterThan(150);
  });

  test('whole answers, their blocks and errors have recorded fields', () =>
    withSimulator({}, async (simulator) => {
      const kinds = new Kinds();
      for (const { response } of calls) {
        const { body } = response;
        if (body === undefined || body['content'] === undefined) {
          if (body?.['type'] === 'error') kinds.add('error', body);
          continue;
        }
        kinds.add('message', body);
        for (const block of body['content'] as Body[]) kinds.add(typeOf(block), withoutInput(block));
      }
      const faults: string[] = [];
      for (const body of [...BODIES, askClaude('hello', { model: 'claude-sonnet-5' })]) {
        const message = (await (await postMessages(simulator, body)).json()) as Body;
        faults.push(...kinds.faults('message', message));
        for (const block of message['content'] as Body[])
          faults.push(...kinds.faults(typeOf(block), withoutInput(block)));
      }
      const error: unknown = await (await postMessages(simulator, askClaude('[[sim:status=529]]'))).json();
      expect([...faults, ...kinds.faults('error', error)]).toEqual([]);
    }));

  test('stream events have recorded fields, and follow each other as recorded', () =>
    withSimulator({}, async (simulator) => {
      expect(streams.length).toBeGreaterThan(30);
      const kinds = new Kinds();
      for (const event of streams.flat()) kinds.add(...told(event));
      // Blocks of whole answers say `caller`, recorded streams of calls are older than that field.
      for (const { response } of calls) {
        for (const block of (response.body?.['content'] ?? []) as Body[]) {
          if (block['caller'] === undefined) continue;
          const { input: _, ...rest } = block;
          kinds.add(`content_block_start ${typeOf(block)}`, {
            type: '',
            index: 0,
            content_block: { ...rest, input: 0 },
          });
        }
      }
      const order = new Set(streams.flatMap(steps));
      const faults = new Set<string>();
      for (const body of BODIES) {
        const response = await postMessages(simulator, { ...body, stream: true });
        const events = namedEventsOf(await response.text());
        for (const event of events) for (const fault of kinds.faults(...told(event))) faults.add(fault);
        for (const step of steps(events)) if (!order.has(step)) faults.add(step);
      }
      expect([...faults]).toEqual([]);
    }));
});
