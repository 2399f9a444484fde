import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  exchanges,
  list,
  record,
  recordsOf,
  rows,
  served,
  type Json,
  type Recorded,
} from './conformance/recorded.ts';
import { CHAT, Stage } from './conformance/stage.ts';
import { casesPresent, withCases } from './support/cases.ts';

// Reason of every skip here: the cases lie beside the repository and are not copied into it.

let stage: Stage;

beforeAll(async () => {
  if (casesPresent) stage = await Stage.start();
});
afterAll(async () => {
  if (casesPresent) await stage[Symbol.asyncDispose]();
});

const nameOf = (tool: Json): string => JSON.stringify(record(tool['function'])['name'] ?? tool['name'] ?? '');

/** Without marks, and with text as the one block that it stands for: both are the gateway's to choose for Anthropic. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([name]) => name !== 'cache_control');
  return Object.fromEntries(
    members.map(([name, member]) => [
      name,
      (name === 'content' || name === 'system') && typeof member === 'string'
        ? [{ type: 'text', text: member }]
        : plain(member),
    ]),
  );
}

function meaningOf(body: Json, given: Json, vendorName: string): unknown {
  const meant: Json = { ...body };
  for (const added of ['prompt_cache_key', 'stream_options']) if (!(added in given)) delete meant[added];
  if (Array.isArray(meant['tools']))
    meant['tools'] = list(meant['tools']).toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
  return vendorName === 'anthropic' ? plain(meant) : meant;
}

/** A stream without the usage record that the gateway asked for. */
function asAsked({ answer, request, streamed, vendor: name }: Recorded): string {
  const asked = record((JSON.parse(request) as Json)['stream_options'])['include_usage'] === true;
  if (!streamed || asked || name === 'anthropic') return answer;
  return answer
    .split(/(?<=\n\n)/)
    .filter((event) => !(event.includes('"choices":[]') && /"usage": ?\{/.test(event)))
    .join('');
}

const count = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** Input, cached and output tokens by the vendor's own words. */
function toldTokens(one: Recorded): [input: number, cached: number, output: number] {
  let usage: Json = {};
  if (!one.streamed) usage = record((JSON.parse(one.answer) as Json)['usage']);
  else
    for (const event of recordsOf(one.answer)) {
      const given = record(event['usage'] ?? record(event['message'])['usage']);
      for (const [name, value] of Object.entries(given)) if (value !== null) usage[name] = value;
    }
  if (one.vendor === 'anthropic') {
    // The totals leave compactions out, which are billed as well (Anthropic docs, "Compaction": usage).
    const iterations = Array.isArray(usage['iterations']) ? usage['iterations'].map(record) : [];
    const billed = [usage, ...iterations.filter((iteration) => iteration['type'] === 'compaction')];
    const sum = (field: string): number => billed.reduce((total, part) => total + count(part[field]), 0);
    return [sum('input_tokens'), sum('cache_read_input_tokens'), sum('output_tokens')];
  }
  const cached = count(
    usage['prompt_cache_hit_tokens'] ?? record(usage['prompt_tokens_details'])['cached_tokens'],
  );
  const written = count(record(usage['prompt_tokens_details'])['cache_write_tokens']);
  return [count(usage['prompt_tokens']) - cached - written, cached, count(usage['completion_tokens'])];
}

withCases.describe('every recorded exchange', () => {
  test('is replayed, or of a route that the gateway does not have', () => {
    const deferred: Record<string, number> = {};
    for (const row of rows.filter((one) => !served(one))) {
      const kind = /responses|batches|completions/.exec(row.path)?.[0] ?? row.path;
      deferred[kind] = (deferred[kind] ?? 0) + 1;
    }
    expect(exchanges).toHaveLength(294);
    expect(deferred).toEqual({ responses: 198, batches: 5, completions: 4 });
  });

  test('reaches the vendor as it was meant, comes back to the byte, and is booked by the vendor’s figures', async () => {
    const told: Record<string, [number, number, number]> = {
      anthropic: [0, 0, 0],
      openai: [0, 0, 0],
      deepseek: [0, 0, 0],
    };
    const refused: string[] = [];
    for (const one of exchanges) {
      const path = one.path === '/chat/completions' ? CHAT : one.path;
      const { body, sent, status } = await stage.replay(one, path, one.request);
      if (sent === null) {
        refused.push(`${one.id} ${one.status} ${body.toString()}`);
        continue;
      }
      const given = JSON.parse(one.request) as Json;
      const asked = JSON.parse(sent.body.toString()) as Json;
      expect({ id: one.id, sent: meaningOf(asked, given, one.vendor) }).toEqual({
        id: one.id,
        sent: meaningOf(given, given, one.vendor),
      });
      if (one.status === 401) {
        // The vendor's words may quote the gateway's own key.
        expect(status).toBe(502);
        continue;
      }
      expect({ id: one.id, status }).toEqual({ id: one.id, status: one.status });
      // As text where it differs, which shows where; to the byte in any case.
      expect({ id: one.id, text: body.toString() }).toEqual({ id: one.id, text: asAsked(one) });
      expect(body.equals(Buffer.from(asAsked(one)))).toBe(true);
      if (one.status !== 200 || one.path.endsWith('count_tokens')) continue;
      const sum = told[one.vendor]!;
      for (const [at, tokens] of toldTokens(one).entries()) sum[at] = sum[at]! + tokens;
    }
    expect(refused).toEqual([]);
    const booked = await stage.booked();
    for (const [provider, tokens] of Object.entries(told))
      expect(['input', 'cache_read', 'output'].map((kind) => booked[`${provider} ${kind}`])).toEqual(tokens);
  });
});
