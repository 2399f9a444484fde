import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { choices, jsonText, jsonValue, spell } from '../../std/json/testing/arbitrary.ts';
import { JsonDocument } from '../../std/json/document.ts';
import { naiveParse, naiveWrite, type NaiveValue } from '../../std/json/testing/naive.ts';
import { MessagesRequest } from '../anthropic-messages/request.ts';
import {
  anthropicMessages,
  array,
  chatMessages,
  conversation,
  earlier,
  object,
  string,
} from '../conversion/testing/conversation.ts';
import { memberText } from '../conversion/testing/convert.ts';
import { converted, OLDER } from './testing/request.ts';

const bodyOf = (messages: readonly NaiveValue[], ...rest: (readonly [string, NaiveValue])[]): NaiveValue =>
  object([['model', string('m')], ['messages', array(messages)], ...rest]);
/** As Anthropic demands schemas. */
const typed = (schema: NaiveValue): NaiveValue =>
  schema.kind !== 'object' || schema.entries.some(([key]) => key === 'type')
    ? schema
    : object([['type', string('object')], ...schema.entries]);
const canonical = (text: string): string => naiveWrite(naiveParse(text));

describe('a Chat Completions request as a Messages request', () => {
  test('says what was said, in whatever spelling it came', () => {
    fc.assert(
      fc.property(conversation, fc.integer(), (told, seed) => {
        const { text, warnings, lost } = converted(spell(bodyOf(chatMessages(told)), choices(seed)));
        const { system, messages } = anthropicMessages(told);
        expect(canonical(memberText(text, 'messages'))).toBe(naiveWrite(messages));
        const written = memberText(text, 'system');
        expect(written === '' ? '[]' : canonical(written)).toBe(naiveWrite(system));
        expect([warnings, lost]).toEqual([[], '']);
      }),
      { numRuns: 150 },
    );
  });

  test('is one that the vendor’s reader takes', () => {
    const document = new JsonDocument();
    const request = new MessagesRequest();
    fc.assert(
      fc.property(conversation, (told) => {
        document.parse(Buffer.from(converted(naiveWrite(bodyOf(chatMessages(told)))).text));
        request.read(document);
        expect(request.model).toBe(OLDER);
        expect(request.maxOutputTokens).toBe(64_000);
      }),
      { numRuns: 50 },
    );
  });

  test('turns append: what stands for a turn opens what stands for the next', () => {
    fc.assert(
      fc.property(conversation, (told) => {
        let before: { head: string; messages: string } | null = null;
        for (let turns = 0; turns <= told.turns.length; turns++) {
          const { text } = converted(naiveWrite(bodyOf(chatMessages(earlier(told, turns)))));
          const written = memberText(text, 'messages');
          const head = text.slice(0, text.indexOf('"messages":'));
          if (before !== null) {
            expect(head).toBe(before.head);
            expect(written.startsWith(before.messages)).toBe(true);
          }
          before = { head, messages: written.slice(0, -1) };
        }
      }),
      { numRuns: 100 },
    );
  });

  test('the last user turn grows at its end when the user goes on after tool results', () => {
    const whole = conversation.filter(({ turns }) => turns.some(({ answer }) => answer === null));
    fc.assert(
      fc.property(whole, (told) => {
        const at = told.turns.findIndex(({ answer }) => answer === null);
        const cut = { ...told, turns: told.turns.slice(0, at + 1) };
        const chat = chatMessages(cut);
        const [shorter, longer] = [chat.slice(0, -1), chat].map((messages) =>
          memberText(converted(naiveWrite(bodyOf(messages))).text, 'messages'),
        );
        expect(longer?.startsWith(`${shorter!.slice(0, -']}]'.length)},`)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test('names, descriptions and schemas of tools pass key by key', () => {
    const schema = jsonValue.filter(
      (value) =>
        value.kind === 'object' && value.entries.length > 0 && value.entries[0]?.[0] !== 'cache_control',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(jsonText, jsonText, schema), { minLength: 1, maxLength: 4 }), (list) => {
        const tools = list.map(([name, description, parameters]) =>
          object([
            ['type', string('function')],
            [
              'function',
              object([
                ['name', string(name)],
                ['description', string(description)],
                ['parameters', parameters],
              ]),
            ],
          ]),
        );
        const user = object([
          ['role', string('user')],
          ['content', string('x')],
        ]);
        const { text } = converted(naiveWrite(bodyOf([user], ['tools', array(tools)])));
        const expected = list.map(([name, description, parameters]) =>
          object([
            ['name', string(name)],
            ['description', string(description)],
            ['input_schema', typed(parameters)],
          ]),
        );
        expect(memberText(text, 'tools')).toBe(naiveWrite(array(expected)));
      }),
      { numRuns: 100 },
    );
  });
});
