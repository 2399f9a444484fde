import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { GatewayError } from '../../errors/gateway-error.ts';
import { JsonDocument } from '../../std/json/document.ts';
import { naiveWrite, type NaiveValue } from '../../std/json/testing/naive.ts';
import { MessagesRequest } from '../anthropic-messages/request.ts';
import { toMessagesRequest } from '../chat-over-messages/request.ts';
import { FIELDS as CHAT_FIELDS } from '../chat-over-messages/request-fields.ts';
import type { RequestConversion } from '../conversion.ts';
import { toChatRequest } from '../messages-over-chat/request.ts';
import { FIELDS as MESSAGES_FIELDS } from '../messages-over-chat/request-options.ts';
import { ChatRequest } from '../openai-chat/request.ts';
import { array, literal, object, string } from './testing/conversation.ts';

/** Words of both dialects, so that chance finds ways through the checks. */
const KEYS = (
  'type text content id name input tool_use_id is_error source media_type data url title thinking signature refusal ' +
  'image_url detail file file_data function arguments parameters input_schema description strict cache_control format ' +
  'schema json_schema effort budget_tokens user_id disable_parallel_tool_use index caller tool_call_id role'
).split(' ');
const WORDS = (
  'text image image_url document file tool_use tool_result thinking redacted_thinking function custom auto any none ' +
  'required tool json_schema json_object enabled disabled adaptive base64 url image/png application/pdf low high a ' +
  'data:image/png;base64,QQ== data:application/pdf;base64,QQ== https://a.example {} {"a":1} refusal'
)
  .split(' ')
  .concat('', ' ');

const { tree } = fc.letrec<{ tree: NaiveValue }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(...WORDS).map(string),
    fc.constantFrom('null', 'true', 'false', '0', '1', '1.5', '-1', '2048').map(literal),
    fc.array(tie('tree'), { maxLength: 3 }).map(array),
    members(KEYS, tie('tree')),
    members(KEYS, tie('tree')),
  ),
}));

function members(keys: readonly string[], value: fc.Arbitrary<NaiveValue>): fc.Arbitrary<NaiveValue> {
  return fc
    .uniqueArray(fc.tuple(fc.constantFrom(...keys), value), { maxLength: 5, selector: ([key]) => key })
    .map(object);
}

function requestOf(
  fields: readonly string[],
  roles: readonly string[],
  own: readonly string[],
): fc.Arbitrary<string> {
  const message = fc
    .tuple(fc.constantFrom(...roles), fc.option(tree), members(own, tree))
    .map(([role, content, rest]) =>
      object([
        ['role', string(role)],
        ['content', content ?? string('x')],
        ...(rest.kind === 'object' ? rest.entries : []),
      ]),
    );
  const others = fields.filter((name) => !['model', 'messages', 'max_tokens'].includes(name));
  return fc
    .tuple(fc.array(message, { minLength: 1, maxLength: 4 }), members(others, tree))
    .map(([messages, rest]) =>
      naiveWrite(
        object([
          ['model', string('m')],
          ['max_tokens', literal('2000')],
          ['messages', array(messages)],
          ...(rest.kind === 'object' ? rest.entries : []),
        ]),
      ),
    );
}

/** Converts what the client's reader takes; answers whether it was converted. */
function tried(
  text: string,
  reader: { read(document: JsonDocument): void },
  conversion: RequestConversion,
  models: readonly string[],
): number {
  const document = new JsonDocument();
  let converted = 0;
  for (const upstreamModel of models) {
    try {
      document.parse(Buffer.from(text));
      reader.read(document);
      const { body } = conversion(document, { upstreamModel, reasoningContent: true });
      new JsonDocument().parse(body);
      converted++;
    } catch (error) {
      expect(error).toBeInstanceOf(GatewayError);
      expect((error as GatewayError).spec.status).toBe(400);
    }
  }
  return converted;
}

describe('whatever the client’s reader takes is converted into JSON, or refused', () => {
  test('Chat Completions → Messages', () => {
    const request = requestOf(
      CHAT_FIELDS.names,
      ['user', 'user', 'assistant', 'system', 'tool'],
      [
        'tool_calls',
        'tool_call_id',
        'thinking_blocks',
        'reasoning_content',
        'refusal',
        'cache_control',
        'name',
      ],
    );
    let converted = 0;
    fc.assert(
      fc.property(request, (text) => {
        converted += tried(text, new ChatRequest(), toMessagesRequest, [
          'claude-sonnet-4-5',
          'claude-opus-5',
        ]);
      }),
      { numRuns: 1500 },
    );
    // A few dozen as a rule; how many is chance.
    expect(converted).toBeGreaterThan(0);
  });

  test('Messages → Chat Completions', () => {
    const request = requestOf(
      MESSAGES_FIELDS.names,
      ['user', 'user', 'assistant', 'system'],
      ['output_config'],
    );
    let converted = 0;
    fc.assert(
      fc.property(request, (text) => {
        converted += tried(text, new MessagesRequest(), toChatRequest, [
          'gpt-4o',
          'gpt-6-sol',
          'deepseek-flash',
        ]);
      }),
      { numRuns: 1500 },
    );
    // A few dozen as a rule; how many is chance.
    expect(converted).toBeGreaterThan(0);
  });
});
