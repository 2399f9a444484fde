import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, spell } from '../../std/json/testing/arbitrary.ts';
import { JsonDocument } from '../../std/json/document.ts';
import { naiveParse, naiveWrite, type NaiveValue } from '../../std/json/testing/naive.ts';
import { toMessagesRequest } from '../chat-over-messages/request.ts';
import {
  anthropicMessages,
  array,
  chatMessages,
  conversation,
  earlier,
  literal,
  object,
  string,
  type Conversation,
} from '../conversion/testing/conversation.ts';
import { convertText, memberText } from '../conversion/testing/convert.ts';
import { toolId } from '../conversion/tool-ids.ts';
import { ChatRequest } from '../openai-chat/request.ts';
import { converted } from './testing/request.ts';

function bodyOf(told: Conversation): NaiveValue {
  const { system, messages } = anthropicMessages(told);
  return object([
    ['model', string('m')],
    ['max_tokens', literal('9')],
    ['messages', messages],
    ['system', system],
  ]);
}
const canonical = (text: string): string => naiveWrite(naiveParse(text));
const chatOf = (told: Conversation): string => naiveWrite(array(chatMessages(told, (id) => toolId(id))));

describe('a Messages request as a Chat Completions request', () => {
  test('says what was said, in whatever spelling it came', () => {
    fc.assert(
      fc.property(conversation, fc.integer(), (told, seed) => {
        const { text, warnings, lost } = converted(spell(bodyOf(told), choices(seed)));
        expect(canonical(memberText(text, 'messages'))).toBe(chatOf(told));
        expect([warnings, lost]).toEqual([[], '']);
      }),
      { numRuns: 150 },
    );
  });

  test('is what a Chat Completions request was that went the other way', () => {
    fc.assert(
      fc.property(conversation, (told) => {
        const body = object([
          ['model', string('m')],
          ['messages', array(chatMessages(told))],
        ]);
        const there = convertText(toMessagesRequest, naiveWrite(body), { upstreamModel: 'claude-opus-4-5' });
        const back = converted(there.text);
        expect(canonical(memberText(back.text, 'messages'))).toBe(chatOf(told));
      }),
      { numRuns: 100 },
    );
  });

  test('is one that the vendor’s reader takes', () => {
    const document = new JsonDocument();
    const request = new ChatRequest();
    fc.assert(
      fc.property(conversation, (told) => {
        document.parse(Buffer.from(converted(naiveWrite(bodyOf(told))).text));
        request.read(document);
        expect(request.maxOutputTokens).toBe(9);
      }),
      { numRuns: 50 },
    );
  });

  test('turns append: what stands for a turn opens what stands for the next', () => {
    fc.assert(
      fc.property(conversation, (told) => {
        let before = '[';
        for (let turns = 0; turns <= told.turns.length; turns++) {
          const { text } = converted(naiveWrite(bodyOf(earlier(told, turns))));
          const written = memberText(text, 'messages');
          expect(written.startsWith(before)).toBe(true);
          before = written.slice(0, -1);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('a mark that moves changes nothing but itself', () => {
    const mark = '"cache_control":{"type":"ephemeral"}';
    const messages = (first: string, second: string): string =>
      `{"max_tokens":9,"messages":[{"role":"user","content":${first}},{"role":"assistant","content":"t"},{"role":"user","content":${second}}]}`;
    const plain = (words: string): string => `[{"type":"text","text":"${words}"}]`;
    const marked = (words: string): string => `[{"type":"text","text":"${words}",${mark}}]`;
    const openai = { openaiFields: true };
    for (const model of ['gpt-4o', 'gpt-5.6-sol', 'deepseek-flash']) {
      const [one, other] = [messages(marked('a'), '"b"'), messages('"a"', marked('b'))].map((body) =>
        converted(body, model, openai).text.replace(',"prompt_cache_breakpoint":{"mode":"explicit"}', ''),
      );
      expect(one).toBe(other);
      expect(one).toBe(converted(messages(plain('a'), plain('b')), model, openai).text);
    }
  });
});
