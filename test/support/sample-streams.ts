/** Streams of both vendors that say the same: thinking, text, two calls, usage, and characters of many bytes. */

/** One record of a Chat Completions stream; `more` are further members, JSON behind a comma. */
export const chatRecord = (delta: object, finish: string | null = null, more = ',"usage":null'): string =>
  `data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","choices":[{"index":0,"delta":${JSON.stringify(delta)},"finish_reason":${JSON.stringify(finish)}}]${more}}\n\n`;
export const chatText = (content: string): string => chatRecord({ content });
export const callStart = (index: number, id: string, name: string, args = ''): string =>
  chatRecord({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: args } }] });
export const callMore = (index: number, args: string): string =>
  chatRecord({ tool_calls: [{ index, function: { arguments: args } }] });
export const chatUsage = (usage: object): string =>
  `data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","choices":[],"usage":${JSON.stringify(usage)}}\n\n`;
export const CHAT_ROLE = chatRecord({ role: 'assistant', content: '' });
export const CHAT_DONE = 'data: [DONE]\n\n';
const CHAT_USAGE = {
  prompt_tokens: 120,
  completion_tokens: 30,
  total_tokens: 150,
  prompt_tokens_details: { cached_tokens: 64 },
};
export const CHAT_END: readonly string[] = [chatRecord({}, 'tool_calls'), chatUsage(CHAT_USAGE), CHAT_DONE];

export const CHAT_STREAM: readonly string[] = [
  CHAT_ROLE,
  chatRecord({ reasoning_content: 'Hm, ' }),
  chatRecord({ reasoning_content: 'größer 🧠' }),
  chatText('Grüße \ud83d'),
  chatText('\ude42, 你好\n"'),
  callStart(0, 'call_a1chance00', 'look'),
  callMore(0, '{"ort":"Kö'),
  callMore(0, 'ln \\u00e9 🌧"}'),
  callStart(1, 'call_b1chance00', 'find'),
  callMore(1, '{"n":1.0'),
  callMore(1, ',"2":[]}'),
  ...CHAT_END,
];

/** One event of a Messages stream; its name is its type. */
export const event = (type: string, members: object = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
export const blockStart = (index: number, block: object): string =>
  event('content_block_start', { index, content_block: block });
export const blockDelta = (index: number, delta: object): string =>
  event('content_block_delta', { index, delta });
export const blockStop = (index: number): string => event('content_block_stop', { index });
export const textDelta = (index: number, text: string): string =>
  blockDelta(index, { type: 'text_delta', text });
export const inputDelta = (index: number, json: string): string =>
  blockDelta(index, { type: 'input_json_delta', partial_json: json });
export const textStart = (index: number): string => blockStart(index, { type: 'text', text: '' });
export const toolStart = (index: number, id: string, name: string): string =>
  blockStart(index, { type: 'tool_use', id, name, input: {} });
export const MESSAGE_START = event('message_start', {
  message: {
    id: 'msg_7',
    type: 'message',
    role: 'assistant',
    model: 'claude-opus-4-8',
    content: [],
    stop_reason: null,
    usage: { input_tokens: 56, cache_read_input_tokens: 64, output_tokens: 1 },
  },
});
export const MESSAGE_END: readonly string[] = [
  event('message_delta', { delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 30 } }),
  event('message_stop'),
];

export const MESSAGES_STREAM: readonly string[] = [
  MESSAGE_START,
  blockStart(0, { type: 'thinking', thinking: '', signature: '' }),
  blockDelta(0, { type: 'thinking_delta', thinking: 'Hm, ' }),
  blockDelta(0, { type: 'thinking_delta', thinking: 'größer 🧠' }),
  blockDelta(0, { type: 'signature_delta', signature: 'c2ln' }),
  blockStop(0),
  textStart(1),
  textDelta(1, 'Grüße \ud83d'),
  textDelta(1, '\ude42, 你好\n"'),
  blockStop(1),
  toolStart(2, 'call_a1chance00', 'look'),
  inputDelta(2, '{"ort":"Kö'),
  inputDelta(2, 'ln \\u00e9 🌧"}'),
  blockStop(2),
  toolStart(3, 'call_b1chance00', 'find'),
  inputDelta(3, '{"n":1.0'),
  inputDelta(3, ',"2":[]}'),
  blockStop(3),
  ...MESSAGE_END,
];

/** What both say. */
export const SAID = {
  thinking: 'Hm, größer 🧠',
  text: 'Grüße 🙂, 你好\n"',
  calls: [
    { id: 'call_a1chance00', name: 'look', arguments: '{"ort":"Köln \\u00e9 🌧"}' },
    { id: 'call_b1chance00', name: 'find', arguments: '{"n":1.0,"2":[]}' },
  ],
};

/** Behind the first half of its text. */
export const middleOf = (records: readonly string[]): number =>
  records.findIndex((record) => record.includes('Grüße')) + 1;
export const within = (records: readonly string[], ...more: string[]): string[] => {
  const at = middleOf(records);
  return [...records.slice(0, at), ...more, ...records.slice(at)];
};
/** A record spelled as Python spells JSON. */
export const spaced = (record: string): string =>
  record.replace(/\{.*\}/, (json) => json.replaceAll(/(?<=[^\\]"|[\]}el\d])([:,])(?=["[{\dntf])/g, '$1 '));
