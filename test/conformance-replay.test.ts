import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
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
import { casesPresent } from './support/cases.ts';
import { startGateway, type Gateway } from './support/gateway.ts';
import { httpAnswer, startVendor, type Vendor } from './support/vendor.ts';

// Reason of every skip here: the cases lie beside the repository and are not copied into it.

let vendor: Vendor;
let gateway: Gateway;
let key: string;
/** What the vendor answers with. */
let answering: Recorded | null = null;

beforeAll(async () => {
  if (!casesPresent) return;
  vendor = await startVendor(() => (answering === null ? null : bytesOf(answering)));
  gateway = await startGateway({
    env: {
      OPENAI_API_KEY: 'sk-up',
      OPENAI_BASE_URL: vendor.url,
      DEEPSEEK_API_KEY: 'sk-up',
      DEEPSEEK_BASE_URL: vendor.url,
      ANTHROPIC_API_KEY: 'sk-up',
      ANTHROPIC_BASE_URL: vendor.url,
    },
  });
  ({ key } = await gateway.createKey({ quota_usd: null }));
});
afterAll(async () => {
  if (!casesPresent) return;
  await gateway[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

function bytesOf({ answer, contentType, status, streamed }: Recorded): string {
  if (!streamed) return httpAnswer(status, answer, { 'content-type': contentType });
  const head = `HTTP/1.1 ${status} OK\r\ncontent-type: ${contentType}\r\ntransfer-encoding: chunked\r\n\r\n`;
  // In pieces of odd sizes, through the middle of lines and characters.
  const bytes = Buffer.from(answer);
  let out = head;
  for (let at = 0, size = 7; at < bytes.length; at += size, size = (size * 31) % 1009 || 7) {
    const piece = bytes.subarray(at, at + size);
    out += `${piece.length.toString(16)}\r\n${piece.toString('latin1')}\r\n`;
  }
  return `${out}0\r\n\r\n`;
}

async function replay(one: Recorded): Promise<{ status: number; text: string; sent: Json | null }> {
  const before = vendor.requests.length;
  answering = one;
  const path = one.path === '/chat/completions' ? '/v1/chat/completions' : one.path;
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'x-tokenrouter-dedup': 'off',
    },
    body: one.request,
  });
  const text = await response.text();
  const sent = vendor.requests.length === before ? undefined : vendor.requests.at(-1);
  return {
    status: response.status,
    text,
    sent: sent === undefined ? null : (JSON.parse(sent.body.toString('utf8')) as Json),
  };
}

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

describe.skipIf(!casesPresent)('every recorded exchange', () => {
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
      const { sent, status, text } = await replay(one);
      if (sent === null) {
        refused.push(`${one.id} ${one.status} ${text}`);
        continue;
      }
      const given = JSON.parse(one.request) as Json;
      expect({ id: one.id, sent: meaningOf(sent, given, one.vendor) }).toEqual({
        id: one.id,
        sent: meaningOf(given, given, one.vendor),
      });
      if (one.status === 401) {
        // The vendor's words may quote the gateway's own key.
        expect(status).toBe(502);
        continue;
      }
      expect({ id: one.id, status }).toEqual({ id: one.id, status: one.status });
      expect({ id: one.id, text }).toEqual({ id: one.id, text: asAsked(one) });
      if (one.status !== 200 || one.path.endsWith('count_tokens')) continue;
      const sum = told[one.vendor]!;
      for (const [at, tokens] of toldTokens(one).entries()) sum[at] = sum[at]! + tokens;
    }
    expect(refused).toEqual([]);
    const booked: Record<string, number[]> = {};
    for (const provider of Object.keys(told)) {
      booked[provider] = [];
      for (const kind of ['input', 'cache_read', 'output'])
        booked[provider].push(await gateway.metric('tokens_total', { provider, kind }));
    }
    expect(booked).toEqual(told);
  });
});
