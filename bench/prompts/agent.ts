import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootFolder } from '../setup.ts';

const CONVERSATIONS = join(rootFolder, '../shared/cases/prompts/taubench_airline_gpt4o.jsonl');

interface ChatRequest {
  readonly messages: readonly unknown[];
  readonly [field: string]: unknown;
}

/** Whether bodies grow from a recorded conversation rather than from a made-up one of its shape. */
export const hasRecordedConversation = existsSync(CONVERSATIONS);

function lastRequest(): ChatRequest {
  if (hasRecordedConversation) {
    const last = readFileSync(CONVERSATIONS, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    return (JSON.parse(last) as { request: ChatRequest }).request;
  }
  const result = { name: 'Ann', seats: ['4F', '5A'], price: 152.5, refundable: false };
  return {
    model: 'gpt-4o',
    messages: [
      { role: 'system', content: 'Follow the policy below, to the letter.\n'.repeat(150) },
      { role: 'user', content: 'Please "change" my booking to Friday.' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'tool_1', arguments: '{"id":"A1"}' } },
        ],
      },
      {
        role: 'tool',
        tool_call_id: 'call_1',
        content: `[${Array.from({ length: 8 }, () => JSON.stringify(result)).join(',')}]`,
      },
    ],
    tools: Array.from({ length: 14 }, (_, index) => ({
      type: 'function',
      function: {
        name: `tool_${14 - index}`,
        description: 'Reads or changes a booking of the customer. '.repeat(4),
        parameters: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
      },
    })),
  };
}

/** An agent's request of about so many bytes: messages repeated to make it longer, cut and tools dropped to make it shorter. */
export function agentBody(bytes: number): string {
  const request = lastRequest();
  const whole = JSON.stringify(request);
  if (whole.length > bytes) {
    const [first, ...rest] = request.messages;
    const { tools: _, ...withoutTools } = request;
    const system = { ...(first as object), content: 'Follow the policy. ' };
    const messages: unknown[] = [system];
    let size = JSON.stringify({ ...withoutTools, messages }).length;
    for (const message of rest) {
      size += JSON.stringify(message).length + 1;
      if (size > bytes) break;
      messages.push(message);
    }
    return JSON.stringify({ ...withoutTools, messages });
  }
  const messages = [...request.messages];
  let size = whole.length;
  for (let index = 1; size < bytes; index = index + 1 < request.messages.length ? index + 1 : 1) {
    const message = request.messages[index];
    messages.push(message);
    size += JSON.stringify(message).length + 1;
  }
  return JSON.stringify({ ...request, messages });
}

/** A request that carries a base64 image; about so many bytes. */
export function imageBody(bytes: number): string {
  const image = Buffer.alloc(Math.floor(bytes * 0.75), 'an image has no structure');
  return JSON.stringify({
    model: 'gpt-4o',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${image.toString('base64')}` } },
        ],
      },
    ],
  });
}
