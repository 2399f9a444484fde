import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, caseLines, withCases } from '../../../test/support/cases.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import { JsonDocument } from '../../std/json/document.ts';
import { MessagesRequest } from '../anthropic-messages/request.ts';
import { toMessagesRequest } from '../chat-over-messages/request.ts';
import { toChatRequest } from '../messages-over-chat/request.ts';
import { ChatRequest } from '../openai-chat/request.ts';
import { convertText, type Converted } from './testing/convert.ts';

// Reason of every skip here: the cases lie beside the repository and are not copied into it.

interface Message {
  readonly role: string;
  readonly content?: string | readonly { readonly text?: string }[] | null;
  readonly tool_calls?: readonly { readonly function: { readonly arguments: string } }[] | null;
}
interface ChatBody {
  readonly messages: readonly Message[];
  readonly tools?: readonly { readonly function: { readonly parameters?: unknown } }[];
}

const document = new JsonDocument();
const messagesReader = new MessagesRequest();
const chatReader = new ChatRequest();

function toMessages(text: string): Converted {
  const converted = convertText(toMessagesRequest, text, { upstreamModel: 'claude-opus-5' });
  document.parse(Buffer.from(converted.text));
  messagesReader.read(document);
  return converted;
}

/** Every text that a Chat Completions request says to the model, as it stands in JSON. */
function textsOf({ messages }: ChatBody): string[] {
  return messages.flatMap(({ content }) => {
    const texts = typeof content === 'string' ? [content] : (content ?? []).map(({ text }) => text ?? '');
    return texts.filter((text) => text.trim() !== '').map((text) => JSON.stringify(text));
  });
}

withCases.describe('recorded conversations', () => {
  test.each(['taubench_airline_gpt4o', 'bfcl_single', 'miniswe_deepseek_chat'])(
    '%s: all convert, nothing that was said is missing',
    (corpus) => {
      for (const { request } of caseLines<{ request: ChatBody }>(`prompts/${corpus}.jsonl`)) {
        const { text } = toMessages(JSON.stringify(request));
        for (const said of textsOf(request)) expect(text).toContain(said);
        for (const { tool_calls: calls } of request.messages)
          for (const call of calls ?? [])
            expect(text).toContain(`"input":${call.function.arguments || '{}'}`);
        for (const tool of request.tools ?? [])
          expect(text).toContain(`"input_schema":${JSON.stringify(tool.function.parameters)}`);
      }
    },
  );

  test('turns append', () => {
    let before = { id: '', messages: '' };
    for (const line of caseLines<{ conversation_id: string; request: ChatBody }>(
      'prompts/taubench_airline_gpt4o.jsonl',
    )) {
      const { text } = toMessages(JSON.stringify(line.request));
      document.parse(Buffer.from(text));
      const messages = document.source(document.member(0, 'messages'));
      if (before.id === line.conversation_id) expect(messages.startsWith(before.messages)).toBe(true);
      // The last user turn may go on: behind its results.
      before = { id: line.conversation_id, messages: messages.slice(0, -']}]'.length) };
    }
  });

  test.each(['cline', 'pi'])('%s: all convert, without a warning', (client) => {
    for (const { raw_body: body } of caseLines<{ raw_body: string }>(`clients/${client}.jsonl`))
      expect(toMessages(body).warnings).toEqual([]);
  });

  test('bodies of all kinds sent to OpenAI: converted, or refused by name', () => {
    let converted = 0;
    for (const { request } of caseLines<{ request: ChatBody }>('prompts/cassettes_openai_chat.jsonl')) {
      try {
        toMessages(JSON.stringify(request));
        converted++;
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        expect((error as GatewayError).param).toBeString();
      }
    }
    expect(converted).toBeGreaterThan(300);
  });

  test('bodies of all kinds sent to Anthropic: converted, or refused by name', () => {
    const folder = join(CASES, 'recorded/anthropic');
    let converted = 0;
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      const { request } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
        request: { body?: unknown };
      };
      const text = typeof request.body === 'string' ? request.body : JSON.stringify(request.body);
      try {
        document.parse(Buffer.from(text));
        messagesReader.read(document);
      } catch {
        // Not a request of this kind.
        continue;
      }
      try {
        const chat = convertText(toChatRequest, text, { upstreamModel: 'gpt-4o' });
        document.parse(Buffer.from(chat.text));
        chatReader.read(document);
        converted++;
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        expect((error as GatewayError).param).toBeString();
      }
    }
    expect(converted).toBeGreaterThan(100);
  });
});
