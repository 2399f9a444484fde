import { describe, expect, test } from 'bun:test';
import type { InputSize } from '../billing/estimate.ts';
import { JsonDocument } from '../std/json/document.ts';
import { MessagesRequest } from './anthropic-messages/request.ts';
import { inputSizeOf, inputSizeOfMessages } from './input-size.ts';
import { ChatRequest } from './openai-chat/request.ts';

const document = new JsonDocument();
const chat = new ChatRequest();
const messages = new MessagesRequest();

type Json = Readonly<Record<string, unknown>>;

/** How large a request is, and how many bytes of its body are text. */
function sizeOf(
  reader: ChatRequest | MessagesRequest,
  model: string,
  content: unknown,
  more: Json = {},
): InputSize {
  const body = { model, max_tokens: 5, messages: [{ role: 'user', content, ...more }] };
  document.parse(Buffer.from(JSON.stringify(body)));
  reader.read(document);
  const size = inputSizeOf(document, reader, model);
  expect(inputSizeOfMessages(document, reader.messagesNode, model)).toEqual(size);
  return size;
}

const BYTES = 3_000_000;
const BASE64 = 'A'.repeat(BYTES);
/** The first bytes of a PNG of 1,024 by 1,024, and a lot more. */
const PNG = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d494844520000040000000400', 'hex'),
  Buffer.alloc(BYTES, 0xab),
]).toString('base64');

const url = (mediaType: string, data: string): string => `data:${mediaType};base64,${data}`;
const imageUrl = (address: string, more: Json = {}): Json => ({
  type: 'image_url',
  image_url: { url: address, ...more },
});
const source = (type: string, mediaType: string, data: string): Json => ({
  type,
  media_type: mediaType,
  data,
});
const image = (data: string): Json => ({ type: 'image', source: source('base64', 'image/png', data) });

describe('Chat Completions', () => {
  const of = (part: unknown, more: Json = {}): InputSize => sizeOf(chat, 'gpt-4o', [part], more);

  test('a picture counts as one, by its size, and as the largest at most', () => {
    const size = of(imageUrl(url('image/png', PNG)));
    expect(size).toMatchObject({ mediaTokens: 765, mediaTokensAtMost: 1_445 });
    expect(size.textBytes).toBeLessThan(300);
    expect(of(imageUrl(url('image/png', PNG), { detail: 'low' }))).toMatchObject({
      mediaTokens: 85,
      mediaTokensAtMost: 85,
    });
    expect(of(imageUrl(url('IMAGE/JPEG', BASE64)))).toMatchObject({
      mediaTokens: 1_445,
      mediaTokensAtMost: 1_445,
    });
  });

  test('one behind an address counts, too', () => {
    for (const part of [
      imageUrl('https://example.com/a.png'),
      { type: 'image_url', image_url: 'http://a.b/c' },
    ])
      expect(of(part)).toMatchObject({ mediaTokens: 1_445, mediaTokensAtMost: 1_445 });
  });

  test('in whatever order and spelling of its keys', () => {
    const part = { image_url: { detail: 'high', url: url('image/png', PNG) }, type: 'image_url' };
    expect(of(part).mediaTokens).toBe(765);
    const text = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: [part] }] });
    document.parse(
      Buffer.from(
        text.replaceAll('/', '\\/').replace('"type":"image_url"', '"\\u0074ype":"image_ur\\u006c"'),
      ),
    );
    chat.read(document);
    expect(inputSizeOf(document, chat, 'gpt-4o').mediaTokens).toBe(765);
  });

  test('sound by its seconds, a file by its pages, each in its own place', () => {
    const sound = of({ type: 'input_audio', input_audio: { data: BASE64, format: 'wav' } });
    expect(sound.mediaTokens).toBeWithin(400, 500);
    expect(sound.textBytes).toBeLessThan(300);
    expect(of({ type: 'input_audio', input_audio: { data: BASE64, format: 'mp3' } }).mediaTokens).toBeWithin(
      2_500,
      3_000,
    );
    const file = of({ type: 'file', file: { filename: 'a.pdf', file_data: url('application/pdf', BASE64) } });
    expect(file.mediaTokens).toBe(90_000);
    expect(file.textBytes).toBeLessThan(300);
    expect(of({ type: 'file', file: { file_id: 'file-1' } }).mediaTokens).toBe(30_000);
    expect(of({ type: 'video_url', video_url: { url: url('video/mp4', BASE64) } }).mediaTokens).toBeWithin(
      5_000,
      6_000,
    );
  });

  test('pictures beside the content of an assistant count', () => {
    const size = of(
      { type: 'text', text: 'x' },
      { role: 'assistant', images: [imageUrl(url('image/png', PNG))] },
    );
    expect(size).toMatchObject({ mediaTokens: 765 });
    expect(size.textBytes).toBeLessThan(300);
  });

  test('what the model reads as text is text, whatever it looks like', () => {
    const looks = url('image/png', PNG);
    for (const content of [
      looks,
      [{ type: 'text', text: looks }],
      [{ type: 'text', text: 'x', image_url: { url: looks } }],
      [imageUrl(`data:image/png,${PNG}`)],
      [imageUrl(url('text/plain', PNG))],
      [imageUrl(url('image/svg+xml', PNG))],
      [imageUrl(PNG)],
      [{ type: 'file', file: { file_data: url('text/plain', PNG) } }],
      [{ type: 'file', file: { file_data: PNG } }],
      [{ type: 'unknown', image_url: { url: looks }, source: source('base64', 'image/png', PNG) }],
      [{ image_url: { url: looks } }],
    ]) {
      const size = sizeOf(chat, 'gpt-4o', content);
      expect(size).toMatchObject({ mediaTokens: 0, mediaTokensAtMost: 0 });
      expect(size.textBytes).toBeGreaterThan(BYTES);
    }
    const call = {
      id: 'c',
      type: 'function',
      function: { name: 'f', arguments: JSON.stringify(imageUrl(looks)) },
    };
    expect(of({ type: 'text', text: 'x' }, { role: 'assistant', tool_calls: [call] })).toMatchObject({
      mediaTokens: 0,
    });
  });
});

describe('Messages', () => {
  const MODEL = 'claude-opus-4-8';
  const of = (block: unknown): InputSize => sizeOf(messages, MODEL, [block]);
  const result = (content: unknown): Json => ({ type: 'tool_result', tool_use_id: 't', content });

  test('pictures and documents, in results of tools and documents of blocks, too', () => {
    const nested = { type: 'document', source: { type: 'content', content: [image(PNG)] } };
    for (const block of [
      image(PNG),
      result([{ type: 'text', text: 'x' }, image(PNG)]),
      nested,
      result([nested]),
      {
        type: 'web_fetch_tool_result',
        tool_use_id: 't',
        content: { type: 'web_fetch_result', content: image(PNG) },
      },
    ]) {
      const size = of(block);
      expect(size).toMatchObject({ mediaTokens: 37 * 37, mediaTokensAtMost: 4_784 });
      expect(size.textBytes).toBeLessThan(400);
    }
    const pdf = of({ type: 'document', source: source('base64', 'application/pdf', BASE64) });
    expect(pdf).toMatchObject({ mediaTokens: 90_000, mediaTokensAtMost: 450_000 });
  });

  test('several files count no more pages at most than a request may have', () => {
    const pdf = { type: 'document', source: source('base64', 'application/pdf', BASE64) };
    const size = sizeOf(messages, 'claude-opus-4-8', [pdf, pdf, pdf, pdf, pdf, image(PNG)]);
    expect(size).toMatchObject({ mediaTokens: 450_000 + 37 * 37, mediaTokensAtMost: 1_800_000 + 4_784 });
  });

  test('by an address or an id', () => {
    expect(of({ type: 'image', source: { type: 'url', url: 'https://a.b/c.png' } }).mediaTokens).toBe(4_784);
    expect(of({ type: 'image', source: { type: 'file', file_id: 'f' } }).mediaTokens).toBe(4_784);
    expect(of({ type: 'document', source: { type: 'url', url: 'https://a.b/c.pdf' } }).mediaTokens).toBe(
      30_000,
    );
  });

  test('what the model reads as text is text, whatever it looks like', () => {
    const looks = source('base64', 'image/png', PNG);
    for (const block of [
      { type: 'document', source: source('text', 'text/plain', PNG) },
      { type: 'document', source: source('text', 'image/png', PNG) },
      { type: 'document', source: source('base64', 'text/plain', PNG) },
      { type: 'text', text: 'x', source: looks },
      result(PNG),
      result(JSON.stringify([image(PNG)])),
      { type: 'tool_use', id: 't', name: 'n', input: { type: 'image', source: looks } },
    ]) {
      const size = of(block);
      expect(size).toMatchObject({ mediaTokens: 0, mediaTokensAtMost: 0 });
      expect(size.textBytes).toBeGreaterThan(BYTES);
    }
  });

  test('however deep blocks are nested, nothing is thrown', () => {
    let block = image(PNG);
    for (let depth = 0; depth < 40; depth++) block = result([block]);
    expect(of(block).textBytes).toBeGreaterThan(BYTES);
  });
});
