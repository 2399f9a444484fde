import type { DialectId } from '../../src/providers/types.ts';
import { alikeKeys, TWINS } from '../../src/std/json/testing/alike-keys.ts';

/** Of a body, about: just below the largest that is taken. */
export const BYTES = 31 * 1024 * 1024;

const filled = (unit: string): string => unit.repeat(Math.floor(BYTES / unit.length));
/** Units that differ in what stands between `before` and `after`: a number of base 36, in no order. `size`: of a unit, about. */
const numbered = (before: string, after: string, size = before.length + 4 + after.length): string =>
  numberedBy((number) => `${before}${number}${after}`, size);
const numberedBy = (unit: (number: string) => string, size: number): string =>
  Array.from({ length: Math.floor(BYTES / size) }, (_, index) =>
    // An odd factor: no number comes twice.
    unit(((index * 2_654_435) & 0x3fffff).toString(36)),
  ).join('');

const chat = (messages: string, more = ''): string =>
  `{"model":"m","max_tokens":100${more},"messages":[${messages}]}`;
const user = (content: string): string => `{"role":"user","content":"${content}"}`;
const called = (calls: string, results: string): string =>
  chat(`${user('x')},{"role":"assistant","content":null,"tool_calls":[${calls}]},${results}${user('x')}`);
const call = (id: string, input: string): string =>
  `{"id":"${id}","type":"function","function":{"name":"f","arguments":"${input}"}}`;
const result = (id: string): string => `{"role":"tool","tool_call_id":"${id}","content":"x"},`;
const withCall = (input: string): string => called(call('c', input), result('c'));
const withParts = (part: string): string =>
  chat(`{"role":"user","content":[${filled(`${part},`)}{"type":"text","text":"x"}]}`);

/** Tools of which nothing is there but a name. */
function withTools(client: DialectId, name: string): string {
  const [before, after] =
    client === 'openai-chat' ? ['{"type":"function","function":{"name":"', '"}}'] : ['{"name":"', '"}'];
  return chat(user('x'), `,"tools":[${numbered(before + name, `${after},`)}${before}x_${after}]`);
}

/** So many bytes does an id of {@link calls} take, twice with all around it. */
const CALL_BYTES = 160;
const calls = (input: string): string => {
  const ids = Array.from(
    { length: Math.floor(BYTES / CALL_BYTES) },
    (_, index) => `functions.f:${index.toString(36)}`,
  );
  return called(ids.map((id) => call(id, input)).join(','), ids.map(result).join(''));
};

const ALIKE_BITS = 19;
/** Object members whose keys all hash alike. */
function alikeMembers(): string {
  const key = alikeKeys(ALIKE_BITS);
  return Array.from(
    { length: Math.floor(BYTES / (ALIKE_BITS * 4 + 5)) },
    (_, index) => `"${key(index)}":1,`,
  ).join('');
}

const escaped = (text: string): string =>
  text.replace(/[a-z]/g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);

/** What `make` gives in chat completions alone. */
const chatOnly =
  (make: () => string) =>
  (client: DialectId): string | null =>
    client === 'openai-chat' ? make() : null;
const messagesOnly =
  (make: () => string) =>
  (client: DialectId): string | null =>
    client === 'anthropic-messages' ? make() : null;

/** By what they are made of; of both dialects, and of one alone where the other has no such thing. */
export const BODIES: Readonly<Record<string, (client: DialectId) => string | null>> = {
  'two-byte escapes': () => chat(user(filled(String.raw`\u00e9`))),
  'three-byte escapes': () => chat(user(filled(String.raw`\u4e2d`))),
  'halves of pairs': () => chat(user(filled(String.raw`\ud83d`))),
  'escaped slashes': () => chat(user(filled(String.raw`\/`))),
  'plain text': () => chat(user(filled('plain text '))),
  'wide blanks': () => chat(user(filled('\u3000'))),
  'escaped blanks': () => chat(user(filled(String.raw`\u3000`))),
  'escapes in arguments': chatOnly(() => withCall(`{\\"a\\":\\"${filled(String.raw`\u00e9`)}\\"}`)),
  'values in arguments': chatOnly(() => withCall(`{\\"a\\":[${filled('1, ')}1]}`)),
  'keys in arguments': chatOnly(() => withCall(`{${numbered('\\"', '\\":1,')}\\"x y\\":1}`)),
  messages: () => chat(`${filled(`${user('x')}, {"role":"assistant","content":"y"},`)}${user('x')}`),
  'messages in escapes': () => {
    const key = escaped('role');
    const one = user('x').replace('role', key).replace('content', escaped('content'));
    return chat(`${filled(`${one},${one.replace('user', escaped('assistant'))},`)}${one}`);
  },
  parts: () => withParts(String.raw`{"type":"text","text":"\u00e9"}`),
  'parts in escapes': () => withParts(`{"${escaped('type')}":"${escaped('text')}","${escaped('text')}":"y"}`),
  images: (client) =>
    withParts(
      client === 'openai-chat'
        ? '{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}'
        : '{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}',
    ),
  tools: (client) => withTools(client, ''),
  'tools in escapes': (client) => withTools(client, String.raw`\u0066`),
  'tools with halves of pairs': (client) => withTools(client, String.raw`\ud83d`),
  'tools that begin alike': (client) => withTools(client, 'a'.repeat(40)),
  calls: chatOnly(() => calls('{}')),
  'results of tools': messagesOnly(() =>
    chat(
      `${user('x')},{"role":"assistant","content":[${numbered('{"type":"tool_use","name":"f","input":{},"id":"', '"},', 110)}{"type":"text","text":"x"}]},{"role":"user","content":[${numbered('{"type":"tool_result","tool_use_id":"', '"},', 110)}{"type":"text","text":"x"}]}`,
    ),
  ),
  'unknown field': () => chat(user('x'), `,"other":[${filled('1, ')}1]`),
  'deep unknown field': () => chat(user('x'), `,"other":[${filled('[[[[[[[[[]]]]]]]]], ')}1]`),
  keys: () => chat(user('x'), `,"other":{${numbered('"', '":1,')}"x y":1}`),
  'keys in escapes': () => chat(user('x'), `,"other":{${numbered(String.raw`"\u0061`, '":1,')}"x y":1}`),
  'keys that hash alike in pairs': () =>
    chat(
      user('x'),
      `,"other":{${numberedBy((number) => `"${TWINS[0]}${number}":1,"${TWINS[1]}${number}":1,`, 25)}"x y":1}`,
    ),
  'keys that all hash alike': () => chat(user('x'), `,"other":{${alikeMembers()}"x y":1}`),
  'small objects of keys that hash alike': () =>
    chat(user('x'), `,"other":[${filled(`{"${TWINS[0]}":1,"${TWINS[1]}":1},`)}1]`),
};
