import { list, record, recordsOf, type Json } from './recorded.ts';

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Members whose fragments are joined, by the type of the delta that brings them. */
const FRAGMENTS: Readonly<Record<string, string>> = {
  text_delta: 'text',
  thinking_delta: 'thinking',
  signature_delta: 'signature',
  compaction_delta: 'content',
};

/** The Message that a stream amounts to. What it does not know throws: nothing is passed over. */
export function assembledMessage(stream: string): Json {
  let message: Json = {};
  let blocks: Json[] = [];
  const inputs = new Map<Json, string>();
  const addUsage = (told: unknown): void => {
    const known = Object.entries(record(told)).filter(([, value]) => value !== null);
    message['usage'] = { ...record(message['usage']), ...Object.fromEntries(known) };
  };
  for (const event of recordsOf(stream)) {
    switch (event['type']) {
      case 'message_start':
        message = { ...record(event['message']) };
        blocks = [...list(message['content'])];
        break;
      case 'content_block_start':
        blocks[Number(event['index'])] = { ...record(event['content_block']) };
        break;
      case 'content_block_delta':
        addDelta(blocks[Number(event['index'])]!, record(event['delta']), inputs);
        break;
      case 'message_delta': {
        const { delta, type: _, usage, ...others } = event;
        Object.assign(message, delta, others);
        addUsage(usage);
        break;
      }
      case 'content_block_stop':
      case 'message_stop':
      case 'ping':
        break;
      default:
        throw new Error(`unknown event: ${JSON.stringify(event)}`);
    }
  }
  for (const [block, json] of inputs) if (json !== '') block['input'] = JSON.parse(json) as unknown;
  return { ...message, content: blocks };
}

function addDelta(block: Json, delta: Json, inputs: Map<Json, string>): void {
  const type = text(delta['type']);
  const member = FRAGMENTS[type];
  if (member !== undefined) block[member] = text(block[member]) + text(delta[member]);
  else if (type === 'input_json_delta')
    inputs.set(block, (inputs.get(block) ?? '') + text(delta['partial_json']));
  else if (type === 'citations_delta')
    block['citations'] = [...list(block['citations']), record(delta['citation'])];
  else throw new Error(`unknown delta: ${JSON.stringify(delta)}`);
}

/** The Chat Completion that a stream of one choice amounts to. */
export function assembledCompletion(stream: string): Json {
  const completion: Json = {};
  const choice: Json = {};
  const message: Json = {};
  const calls = new Map<unknown, Json>();
  for (const chunk of recordsOf(stream)) {
    const { choices, ...frame } = chunk;
    for (const [name, value] of Object.entries(frame))
      if (value !== null && value !== '' && value !== 0) completion[name] = value;
    for (const { delta, ...others } of list(choices)) {
      if (others['index'] !== 0) throw new Error(`a second choice: ${JSON.stringify(chunk)}`);
      for (const [name, value] of Object.entries(others)) if (value !== null) choice[name] = value;
      for (const [name, value] of Object.entries(record(delta)))
        if (name === 'tool_calls') for (const fragment of list(value)) addFragment(calls, fragment);
        else if (Array.isArray(value)) message[name] = [...list(message[name]), ...list(value)];
        else if (name !== 'role' && typeof value === 'string') message[name] = text(message[name]) + value;
        else if (value !== null) message[name] = value;
    }
  }
  if (calls.size > 0) message['tool_calls'] = [...calls.values()];
  return { ...completion, choices: [{ ...choice, message }] };
}

function addFragment(calls: Map<unknown, Json>, { index, function: inner, ...others }: Json): void {
  // Some servers leave numbers out.
  const call = calls.get(index) ?? { function: { name: '', arguments: '' } };
  calls.set(index, call);
  Object.assign(call, others);
  const known = record(call['function']);
  const told = record(inner);
  known['name'] = text(known['name']) + text(told['name']);
  known['arguments'] = text(known['arguments']) + text(told['arguments']);
}
