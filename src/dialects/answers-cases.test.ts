import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, caseLines, casesPresent, withCases } from '../../test/support/cases.ts';
import { blankVerdict } from './types.ts';
import {
  CONTEXT,
  converted,
  dataOf,
  heardOfChatStream,
  heardOfCompletion,
  heardOfMessage,
  heardOfMessagesStream,
  record,
  type Heard,
} from './testing/answers.ts';
import { anthropicMessages } from './anthropic-messages/dialect.ts';
import { chatOverMessagesAnswers } from './chat-over-messages/answers.ts';
import { chatUsage } from './chat-over-messages/usage.ts';
import { messagesOverChatAnswers } from './messages-over-chat/answers.ts';
import { messagesUsage } from './messages-over-chat/usage.ts';
import { openAiChat } from './openai-chat/dialect.ts';
import type { Dialect } from './types.ts';

// Reason of every skip here: the cases lie beside the repository and are not copied into it.

type Json = Record<string, unknown>;
interface Row {
  readonly id: string;
  readonly path: string;
  readonly status: number;
}

const RECORDED = 'recorded';
const FIXTURES = join(RECORDED, 'vercel_ai_fixtures');
/** The vendor began a second message in the middle of the first: there is no right answer to it. */
const SPLICED = 'spliced-message-start.sse';

const read = (path: string): string => readFileSync(join(CASES, path), 'utf8');
const filesOf = (folder: string, ext: string): string[] =>
  casesPresent
    ? readdirSync(join(CASES, folder))
        .filter((name) => name.endsWith(ext))
        .map((name) => join(folder, name))
    : [];
const rows = (vendor: string, path: string, failed: boolean): Row[] =>
  casesPresent
    ? caseLines<Row>(join(RECORDED, 'index.jsonl')).filter(
        (row) => row.id.startsWith(vendor) && row.path.endsWith(path) && row.status >= 400 === failed,
      )
    : [];

const responseOf = (row: Row): Json =>
  record((JSON.parse(read(`${RECORDED}/${row.id}.json`)) as Json)['response']);
const ssePath = (row: Row): string => `${RECORDED}/${row.id}.sse`;
const isStream = (row: Row): boolean => {
  try {
    read(ssePath(row));
    return true;
  } catch {
    return false;
  }
};
/** Body of a whole answer, as text. */
const bodyOf = (row: Row): string => {
  const response = responseOf(row);
  return typeof response['raw_body'] === 'string' ? response['raw_body'] : JSON.stringify(response['body']);
};

const wholeOf = (vendor: string, path: string): [string, string][] =>
  rows(vendor, path, false)
    .filter((row) => !isStream(row))
    .map((row) => [row.id, bodyOf(row)]);
const fixturesOf = (folder: string, ext: string): [string, string][] =>
  filesOf(join(FIXTURES, folder), ext)
    .filter((path) => !path.endsWith(SPLICED))
    .map((path) => [path, read(path)]);

const messages = [...wholeOf('anthropic', '/v1/messages'), ...fixturesOf('anthropic', '.json')];
const messageStreams: [string, string][] = [
  ...rows('anthropic', '/v1/messages', false)
    .filter(isStream)
    .map((row): [string, string] => [row.id, read(ssePath(row))]),
  // Some files hold the streams of a whole conversation, one behind the other.
  ...fixturesOf('anthropic', '.sse').flatMap(([path, text]) =>
    text
      .split(/(?<="message_stop" *\}\s)/)
      .filter((one) => one.trim() !== '')
      .map((one, index): [string, string] => [`${path} ${index}`, one]),
  ),
];
const CHAT_FOLDERS = ['deepseek/chat', 'openai/chat', 'openai-compatible/chat'];
const completions = [
  ...['openai', 'deepseek'].flatMap((vendor) => wholeOf(vendor, '/chat/completions')),
  ...CHAT_FOLDERS.flatMap((folder) => fixturesOf(folder, '.json')),
].filter(([, text]) => text.includes('"choices"'));
const chatStreams: [string, string][] = [
  ...['openai', 'deepseek'].flatMap((vendor) =>
    rows(vendor, '/chat/completions', false)
      .filter(isStream)
      .map((row): [string, string] => [row.id, read(ssePath(row))]),
  ),
  ...CHAT_FOLDERS.flatMap((folder) => fixturesOf(folder, '.sse')),
];

const parse = (bytes: Uint8Array): Json => JSON.parse(Buffer.from(bytes).toString()) as Json;
const argumentsOf = (heard: Heard): unknown[] =>
  heard.calls.map((call) => JSON.parse(call.arguments || '{}'));

/** Usage of a stream, as the gateway bills it. */
function billed(dialect: Dialect, data: readonly string[]) {
  const reader = dialect.streamReader(false);
  const verdict = blankVerdict();
  let usage = null;
  for (const one of data) {
    const bytes = Buffer.from(one);
    reader.nextChunk();
    reader.judge(bytes, 0, bytes.length, verdict);
    usage = verdict.usage ?? usage;
  }
  return usage;
}

function sameWords(given: Heard, told: Heard): void {
  expect(told.thinking).toBe(given.thinking);
  expect(told.text).toBe(given.text);
  expect(told.calls.map(({ id, name }) => ({ id, name }))).toEqual(
    given.calls.map(({ id, name }) => ({ id, name })),
  );
}

withCases.describe('recorded answers', () => {
  test('there are some of each kind', () => {
    expect(messages.length).toBeGreaterThan(150);
    expect(messageStreams.length).toBeGreaterThan(30);
    expect(completions.length).toBeGreaterThan(60);
    expect(chatStreams.length).toBeGreaterThan(8);
  });

  test.each(messages)('Message as a Chat Completion: %s', (_, text) => {
    const given = heardOfMessage(JSON.parse(text) as Json);
    const told = heardOfCompletion(parse(chatOverMessagesAnswers.body(Buffer.from(text), CONTEXT)));
    sameWords(given, told);
    expect(argumentsOf(told)).toEqual(argumentsOf(given));
    // Arguments are a slice of what came.
    for (const call of told.calls) expect(text).toContain(call.arguments);
    const usage = anthropicMessages.usageOfBody(Buffer.from(text));
    expect(told.usage).toEqual(usage === null ? undefined : JSON.parse(chatUsage(usage)));
  });

  test.each(messageStreams)('Messages stream as a Chat Completions stream: %s', (_, text) => {
    const data = dataOf(text);
    const given = heardOfMessagesStream(data);
    const stream = chatOverMessagesAnswers.stream(CONTEXT);
    const told = heardOfChatStream(dataOf(converted(stream, data)));
    expect(stream.failed).toBe(false);
    sameWords(given, told);
    expect(told.calls).toEqual(given.calls);
    const usage = billed(anthropicMessages, data);
    expect(usage).not.toBeNull();
    expect(told.usage).toEqual(JSON.parse(chatUsage(usage!)));
  });

  test.each(completions)('Chat Completion as a Message, and back: %s', (_, text) => {
    const given = heardOfCompletion(JSON.parse(text) as Json);
    const message = messagesOverChatAnswers.body(Buffer.from(text), CONTEXT);
    const told = heardOfMessage(parse(message));
    sameWords(given, told);
    expect(argumentsOf(told)).toEqual(argumentsOf(given));
    const usage = openAiChat.usageOfBody(Buffer.from(text));
    expect(told.usage).toEqual(JSON.parse(messagesUsage(usage)));
    const back = heardOfCompletion(parse(chatOverMessagesAnswers.body(message, CONTEXT)));
    expect({ ...back, usage: null }).toEqual({ ...given, usage: null });
  });

  test.each(chatStreams)('Chat Completions stream as a Messages stream: %s', (_, text) => {
    const data = dataOf(text);
    const given = heardOfChatStream(data);
    const stream = messagesOverChatAnswers.stream(CONTEXT);
    const told = heardOfMessagesStream(dataOf(converted(stream, data)));
    expect(stream.failed).toBe(false);
    sameWords(given, told);
    expect(told.calls.map((call) => call.arguments)).toEqual(given.calls.map((call) => call.arguments));
    expect(told.usage).toEqual(JSON.parse(messagesUsage(billed(openAiChat, data))));
  });

  test('a message that begins anew in the middle of another is a failure', () => {
    const stream = chatOverMessagesAnswers.stream(CONTEXT);
    converted(stream, dataOf(read(join(FIXTURES, 'anthropic', SPLICED))));
    expect(stream.failed).toBe(true);
  });

  test.each(rows('anthropic', '/v1/messages', true).map((row) => [row.id, row] as const))(
    'refusal: %s',
    (_, row) => {
      const given = JSON.parse(bodyOf(row)) as Json;
      const { status, body } = chatOverMessagesAnswers.error(row.status, Buffer.from(bodyOf(row)));
      expect(status).toBe(row.status);
      expect(record(parse(body)['error'])['message']).toBe(record(given['error'])['message']);
    },
  );

  test.each(
    ['openai', 'deepseek'].flatMap((vendor) =>
      rows(vendor, '/chat/completions', true).map((row) => [row.id, row] as const),
    ),
  )('refusal: %s', (_, row) => {
    const given = record((JSON.parse(bodyOf(row)) as Json)['error']);
    const { status, body } = messagesOverChatAnswers.error(row.status, Buffer.from(bodyOf(row)));
    expect(parse(body)).toMatchObject({ type: 'error' });
    if (row.status === 401) expect(status).toBe(502);
    else {
      expect(status).toBe(row.status);
      expect(record(parse(body)['error'])['message']).toBe(given['message']);
    }
  });
});
