import type { Json } from './anthropic.ts';

/** What a stream tells, whatever its dialect. */
export interface Told {
  readonly thinking: string;
  readonly signature: string;
  readonly text: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly finish: string | null;
  readonly usage: Json | null;
  /** Type and code of the error it ends with. */
  readonly error: { readonly type: unknown; readonly code: unknown } | null;
  /** It says that this was all. */
  readonly complete: boolean;
}

type Draft = { -readonly [Name in Exclude<keyof Told, 'calls'>]: Told[Name] } & {
  calls: { id: string; name: string; arguments: string }[];
};

const draft = (): Draft => ({
  thinking: '',
  signature: '',
  text: '',
  calls: [],
  finish: null,
  usage: null,
  error: null,
  complete: false,
});

const object = (value: unknown): Json => {
  if (typeof value !== 'object' || value === null) throw new Error(`no object: ${JSON.stringify(value)}`);
  return value as Json;
};
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function must(condition: boolean, what: string, record: unknown): void {
  if (!condition) throw new Error(`${what}: ${JSON.stringify(record)}`);
}

/** The records of a stream, each ended by its blank line. */
function recordsOf(stream: string): string[] {
  if (stream === '') return [];
  must(stream.endsWith('\n\n'), 'the last record is cut', stream.slice(-100));
  return stream.slice(0, -2).split('\n\n');
}

/** Reads a Chat Completions stream, strictly: whatever OpenAI would not send throws. */
export function readChat(stream: string): Told {
  const told = draft();
  let begun = false;
  for (const record of recordsOf(stream)) {
    if (record.startsWith(':')) continue;
    must(!told.complete && told.error === null, 'behind the end', record);
    must(record.startsWith('data: ') && !record.includes('\n'), 'no record', record);
    const data = record.slice(6);
    if (data === '[DONE]') {
      must(told.finish !== null, 'done without a reason', record);
      told.complete = true;
      continue;
    }
    const event = object(JSON.parse(data));
    if ('error' in event) {
      const { type, code } = object(event['error']);
      told.error = { type, code };
      continue;
    }
    must(event['object'] === 'chat.completion.chunk' && text(event['id']) !== '', 'no chunk', event);
    if (event['usage'] !== undefined && event['usage'] !== null) told.usage = object(event['usage']);
    const [choice] = event['choices'] as readonly Json[];
    if (choice === undefined) continue;
    must(told.finish === null, 'behind the reason', event);
    const delta = object(choice['delta']);
    must(begun || delta['role'] === 'assistant', 'begins without a role', event);
    begun = true;
    readChatDelta(told, delta);
    told.finish = text(choice['finish_reason']) || null;
  }
  return told;
}

function readChatDelta(told: Draft, delta: Json): void {
  told.text += text(delta['content']);
  told.thinking += text(delta['reasoning_content']);
  for (const block of (delta['thinking_blocks'] ?? []) as readonly Json[])
    told.signature += text(block['signature']);
  for (const fragment of (delta['tool_calls'] ?? []) as readonly Json[]) {
    const inner = object(fragment['function']);
    const index = fragment['index'] as number;
    if ('id' in fragment) {
      must(index === told.calls.length, 'a call out of turn', fragment);
      told.calls.push({ id: text(fragment['id']), name: text(inner['name']), arguments: '' });
    }
    must(told.calls[index] !== undefined, 'a call never begun', fragment);
    told.calls[index]!.arguments += text(inner['arguments']);
  }
}

/** Reads a Messages stream, strictly: one block after the other, in Anthropic's order of events. */
export function readMessages(stream: string): Told {
  const told = draft();
  let begun = false;
  let open: string | null = null;
  let next = 0;
  for (const record of recordsOf(stream)) {
    const match = /^event: (\w+)\ndata: ([^\n]*)$/.exec(record);
    must(match !== null, 'no record', record);
    const event = object(JSON.parse(match![2]!));
    must(event['type'] === match![1], 'event and type differ', record);
    if (event['type'] === 'ping') continue;
    must(!told.complete && told.error === null, 'behind the end', record);
    if (event['type'] === 'error') {
      const { type, details } = object(event['error']);
      told.error = { type, code: (details as Json | undefined)?.['error_code'] };
      continue;
    }
    must(begun === (event['type'] !== 'message_start'), 'begins wrongly', record);
    begun = true;
    switch (event['type']) {
      case 'message_start':
        told.usage = object(object(event['message'])['usage']);
        break;
      case 'content_block_start': {
        must(open === null && event['index'] === next && told.finish === null, 'a block out of turn', record);
        const block = object(event['content_block']);
        open = text(block['type']);
        if (open === 'tool_use')
          told.calls.push({ id: text(block['id']), name: text(block['name']), arguments: '' });
        break;
      }
      case 'content_block_delta':
        must(open !== null && event['index'] === next, 'a delta out of turn', record);
        readMessagesDelta(told, open!, object(event['delta']));
        break;
      case 'content_block_stop':
        must(open !== null && event['index'] === next, 'a stop out of turn', record);
        open = null;
        next++;
        break;
      case 'message_delta':
        must(open === null, 'a block is left open', record);
        told.finish = text(object(event['delta'])['stop_reason']) || told.finish;
        told.usage = { ...told.usage, ...object(event['usage']) };
        break;
      case 'message_stop':
        must(told.finish !== null, 'stops without a reason', record);
        told.complete = true;
        break;
      default:
        must(false, 'unknown', record);
    }
  }
  return told;
}

function readMessagesDelta(told: Draft, block: string, delta: Json): void {
  const [kind, value] = {
    text_delta: ['text', delta['text']],
    thinking_delta: ['thinking', delta['thinking']],
    signature_delta: ['thinking', delta['signature']],
    input_json_delta: ['tool_use', delta['partial_json']],
  }[text(delta['type'])] ?? ['', ''];
  must(kind === block, `a delta of another kind in ${block}`, delta);
  if (delta['type'] === 'text_delta') told.text += text(value);
  else if (delta['type'] === 'thinking_delta') told.thinking += text(value);
  else if (delta['type'] === 'signature_delta') told.signature += text(value);
  else told.calls.at(-1)!.arguments += text(value);
}

/** Reads a stream of the path's dialect. */
export const readStream = (path: string, stream: string): Told =>
  path.endsWith('/messages') ? readMessages(stream) : readChat(stream);

/** A stream with what differs from call to call replaced: when it was, and the request's id in a failure. */
export const undated = (stream: string): string =>
  stream.replaceAll(/"created":\d+/g, '"created":0').replaceAll(/,"request_id":"[^"]*"/g, '');
