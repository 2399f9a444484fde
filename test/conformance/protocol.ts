import { list, record, type Json } from './recorded.ts';

/** A record of a stream as the gateway writes it: strictly so, unlike what vendors may do. */
interface Event {
  readonly name: string | null;
  readonly data: string;
}

function insist(condition: boolean, rule: string, at: unknown): asserts condition {
  if (!condition) throw new Error(`${rule}: ${JSON.stringify(at)}`);
}

function eventsOf(stream: string): Event[] {
  insist(stream.endsWith('\n\n'), 'the stream ends with a whole record', stream.slice(-80));
  const events: Event[] = [];
  for (const event of stream.slice(0, -2).split('\n\n')) {
    if (event.startsWith(':') && !event.includes('\n')) continue;
    const match = /^(?:event: (\w+)\n)?data: ([^\r\n]+)$/.exec(event);
    insist(match !== null, 'a record is one line of data, named or not', event);
    events.push({ name: match[1] ?? null, data: match[2]! });
  }
  return events;
}

const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;

/** Holds a Messages stream against Anthropic's documentation ("Streaming messages"); throws where it departs. */
export function insistOnMessagesStream(stream: string): void {
  const events = eventsOf(stream).map(({ data, name }) => {
    const event = JSON.parse(data) as Json;
    insist(event['type'] === name, 'the event is named by its type', event);
    return event;
  });
  const [first, ...rest] = events.filter((event) => event['type'] !== 'ping');
  const message = record(first?.['message']);
  const usage = record(message['usage']);
  insist(first?.['type'] === 'message_start', 'message_start comes first', first);
  insist(message['type'] === 'message' && message['role'] === 'assistant', 'it holds a message', first);
  insist(list(message['content']).length === 0 && message['stop_reason'] === null, 'it is empty', first);
  insist(isCount(usage['input_tokens']) && isCount(usage['output_tokens']), 'it tells usage', first);
  const last = rest.pop();
  insist(last?.['type'] === 'message_stop', 'message_stop comes last', last);
  const end = rest.pop();
  const reason = record(end?.['delta'])['stop_reason'];
  insist(end?.['type'] === 'message_delta' && typeof reason === 'string', 'message_delta ends it', end);
  const told = record(end['usage']);
  insist(isCount(told['input_tokens']) && isCount(told['output_tokens']), 'it tells all usage', end);
  insistOnBlocks(rest);
}

const DELTAS: Readonly<Record<string, readonly string[]>> = {
  text: ['text_delta'],
  thinking: ['thinking_delta', 'signature_delta'],
  tool_use: ['input_json_delta'],
};

function insistOnBlocks(events: readonly Json[]): void {
  let opened = 0;
  let open: Json | null = null;
  for (const event of events) {
    if (event['type'] === 'content_block_start') {
      open = insistOnStart(event, open === null && event['index'] === opened++);
      continue;
    }
    insist(open !== null && event['index'] === opened - 1, 'a block is open', event);
    if (event['type'] === 'content_block_stop') open = null;
    else {
      insist(event['type'] === 'content_block_delta', 'blocks have deltas', event);
      const allowed = DELTAS[String(open['type'])] ?? [];
      insist(allowed.includes(String(record(event['delta'])['type'])), 'deltas fit the block', event);
    }
  }
  insist(open === null, 'every block is closed', open);
}

/** What a block starts with; its content comes as deltas. */
function insistOnStart(event: Json, inTurn: boolean): Json {
  insist(inTurn, 'blocks come one after the other, numbered', event);
  const block = record(event['content_block']);
  const type = String(block['type']);
  insist(type in DELTAS, 'blocks are of a known type', event);
  if (type === 'tool_use') {
    insist(JSON.stringify(block['input']) === '{}', 'the input of a call starts empty', event);
    insist(block['id'] !== '' && block['name'] !== '', 'a call has id and name', event);
  } else insist(block[type] === '', 'text starts empty', event);
  return block;
}

/** Holds a Chat Completions stream against OpenAI's reference ("Streaming"); throws where it departs. */
export function insistOnChatStream(stream: string, usageAsked: boolean): void {
  const events = eventsOf(stream);
  insist(
    events.every(({ name }) => name === null),
    'records have no names',
    events[0],
  );
  insist(events.pop()?.data === '[DONE]', '[DONE] comes last', stream.slice(-80));
  const chunks = events.map(({ data }) => JSON.parse(data) as Json);
  const frame = JSON.stringify([chunks[0]?.['id'], chunks[0]?.['created'], chunks[0]?.['model']]);
  for (const { created, id, model, object } of chunks) {
    insist(object === 'chat.completion.chunk', 'every record is a chunk', object);
    insist(JSON.stringify([id, created, model]) === frame, 'all are of one completion', id);
    insist(isCount(created), 'it has a time', created);
  }
  if (usageAsked) {
    const usage = chunks.pop();
    insist(Array.isArray(usage?.['choices']) && usage['choices'].length === 0, 'usage has no choices', usage);
    insist(isCount(record(usage['usage'])['prompt_tokens']), 'usage is told at the end', usage);
  }
  for (const chunk of chunks)
    insist(usageAsked ? chunk['usage'] === null : !('usage' in chunk), 'no usage but at the end', chunk);
  insistOnChoices(chunks);
}

function insistOnChoices(chunks: readonly Json[]): void {
  let calls = 0;
  for (const [place, chunk] of chunks.entries()) {
    const [choice, ...others] = list(chunk['choices']);
    insist(choice?.['index'] === 0 && others.length === 0, 'there is one choice', chunk);
    const delta = record(choice['delta']);
    insist((delta['role'] === 'assistant') === (place === 0), 'the role comes first, once', chunk);
    const isLast = place === chunks.length - 1;
    insist((choice['finish_reason'] !== null) === isLast, 'the reason comes last, once', chunk);
    if (isLast) insist(Object.keys(delta).length === 0, 'and alone', chunk);
    for (const call of list(delta['tool_calls'])) calls = insistOnCall(call, calls);
  }
}

/** Answers how many calls there are now. */
function insistOnCall(call: Json, calls: number): number {
  const isNew = call['index'] === calls;
  insist(isNew || call['index'] === calls - 1, 'calls are numbered as they come', call);
  const inner = record(call['function']);
  const named = [call['id'], call['type'], inner['name']];
  if (isNew)
    insist(
      named.every((name) => typeof name === 'string' && name !== ''),
      'a call begins with its name',
      call,
    );
  else
    insist(
      named.every((name) => name === undefined),
      'and says it once',
      call,
    );
  insist(typeof inner['arguments'] === 'string', 'arguments are text', call);
  return isNew ? calls + 1 : calls;
}
