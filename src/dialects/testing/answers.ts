import type { AnswerContext, StreamConversion } from '../conversion.ts';
import { originalId } from '../conversion/tool-ids.ts';

/** What an answer says, whatever its dialect: the plain reading that conversions are held against. */
export interface Heard {
  thinking: string;
  text: string;
  calls: { id: string; name: string; arguments: string }[];
  /** `stop_reason` or `finish_reason`. */
  end: string | null;
  usage: unknown;
}

type Json = Record<string, unknown>;

export const CONTEXT: AnswerContext = {
  model: 'asked-for',
  usageRequested: true,
  nowS: 1_700_000_000,
  unique: 'u',
};

const nothing = (): Heard => ({ thinking: '', text: '', calls: [], end: null, usage: null });
export const record = (value: unknown): Json =>
  typeof value === 'object' && value !== null ? (value as Json) : {};
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(record) : []);
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Data of the events of a stream, as it stands in a file or was written. */
export const dataOf = (stream: string): string[] =>
  stream
    .split(/\r?\n\r?\n/)
    .map((event) =>
      event
        .split(/\r?\n/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trimStart())
        .join('\n'),
    )
    .filter((data) => data !== '');

/** Feeds events as a relay does: ranges of a larger buffer. */
export function feed(stream: StreamConversion, data: readonly string[]): string {
  let out = '';
  const bytes = Buffer.from(data.map((one) => `data: ${one}\n\n`).join(''));
  let at = 0;
  for (const one of data) {
    const start = at + 6;
    const end = start + Buffer.byteLength(one);
    out += stream.event(bytes, start, end);
    at = end + 2;
  }
  return out;
}

/** The whole of a stream that was complete. */
export const converted = (stream: StreamConversion, data: readonly string[]): string =>
  feed(stream, data) + stream.end();

export const parsed = (data: readonly string[]): Json[] =>
  data.filter((one) => one !== '[DONE]').map((one) => JSON.parse(one) as Json);

/** What a whole Message says; blocks of server tools say nothing to a client of Chat Completions. */
export function heardOfMessage(message: Json): Heard {
  const heard = nothing();
  for (const block of list(message['content'])) {
    if (block['type'] === 'text') heard.text += text(block['text']);
    if (block['type'] === 'thinking') heard.thinking += text(block['thinking']);
    if (block['type'] === 'tool_use')
      heard.calls.push({
        id: originalId(text(block['id'])),
        name: text(block['name']),
        arguments: JSON.stringify(block['input']),
      });
  }
  return { ...heard, end: text(message['stop_reason']), usage: message['usage'] };
}

export function heardOfMessagesStream(data: readonly string[]): Heard {
  const heard = nothing();
  const usage: Json = {};
  const call = new Map<unknown, { id: string; name: string; arguments: string }>();
  /** Input that came with the start of a call. */
  const given = new Map<unknown, string>();
  for (const event of parsed(data)) {
    const delta = record(event['delta']);
    switch (event['type']) {
      case 'message_start': {
        const message = record(event['message']);
        const whole = heardOfMessage(message);
        heard.text += whole.text;
        heard.thinking += whole.thinking;
        heard.calls.push(...whole.calls);
        heard.end = whole.end;
        Object.assign(usage, message['usage']);
        break;
      }
      case 'content_block_start': {
        const block = record(event['content_block']);
        call.delete(event['index']);
        if (block['type'] !== 'tool_use') break;
        const begun = { id: originalId(text(block['id'])), name: text(block['name']), arguments: '' };
        heard.calls.push(begun);
        given.set(begun, JSON.stringify(block['input']));
        call.set(event['index'], begun);
        break;
      }
      case 'content_block_delta': {
        heard.text += text(delta['text']);
        heard.thinking += text(delta['thinking']);
        const open = call.get(event['index']);
        if (open !== undefined) open.arguments += text(delta['partial_json']);
        break;
      }
      case 'message_delta':
        heard.end = text(delta['stop_reason']);
        Object.assign(usage, event['usage']);
        break;
      default:
    }
  }
  for (const one of heard.calls) one.arguments ||= given.get(one) ?? '{}';
  return { ...heard, usage };
}

export function heardOfCompletion(completion: Json): Heard {
  const choice = list(completion['choices'])[0] ?? {};
  const message = record(choice['message']);
  return {
    thinking: text(message['reasoning_content']) || text(message['reasoning']),
    text: text(message['content']) + text(message['refusal']),
    calls: list(message['tool_calls']).map((one) => ({
      id: text(one['id']),
      name: text(record(one['function'])['name']),
      arguments: text(record(one['function'])['arguments']),
    })),
    end: text(choice['finish_reason']),
    usage: completion['usage'],
  };
}

export function heardOfChatStream(data: readonly string[]): Heard {
  const heard = nothing();
  const calls = new Map<unknown, { id: string; name: string; arguments: string }>();
  for (const chunk of parsed(data)) {
    heard.usage = chunk['usage'] ?? heard.usage;
    const choice = list(chunk['choices'])[0] ?? {};
    const delta = record(choice['delta']);
    heard.thinking += text(delta['reasoning_content']) || text(delta['reasoning']);
    heard.text += text(delta['content']) + text(delta['refusal']);
    for (const fragment of list(delta['tool_calls'])) {
      const own = record(fragment['function']);
      let call = calls.get(fragment['index']);
      if (call === undefined) {
        call = { id: text(fragment['id']), name: text(own['name']), arguments: '' };
        calls.set(fragment['index'], call);
        heard.calls.push(call);
      }
      call.arguments += text(own['arguments']);
    }
    heard.end = text(choice['finish_reason']) || heard.end;
  }
  return heard;
}
