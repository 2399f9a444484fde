import { describe, expect, test } from 'bun:test';
import { naiveParse } from '../std/json/testing/naive.ts';
import { prepare, routeTo, textOf, type Setting } from './testing/pipeline.ts';

const MESSAGES = '"messages":[{"role":"system","content":"x"},{"role":"user","content":"x"}]';
const sent = (members: string, ...rest: Setting): string => {
  const text = textOf(prepare(`{"model":"m",${members}${MESSAGES}}`, ...rest));
  // The naive parser refuses duplicate keys.
  naiveParse(text);
  return text;
};
const options = (members: string): unknown =>
  (JSON.parse(sent(members)) as { stream_options?: unknown }).stream_options;

describe('usage of a stream', () => {
  test('is asked for where the client did not, and that is noted', () => {
    const prepared = prepare(`{"model":"m","stream":true,${MESSAGES}}`);
    expect(JSON.parse(textOf(prepared))).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(prepared.usageAdded).toBe(true);
    expect(prepared.usageRequested).toBe(false);
  });

  test.each([
    ['"stream":true,"stream_options":null,', { include_usage: true }],
    ['"stream_options":null,"stream":true,', { include_usage: true }],
    ['"stream":true,"stream_options":{},', { include_usage: true }],
    ['"stream":true,"stream_options":{"include_usage":false},', { include_usage: true }],
    ['"stream":true,"stream_options":{"include_usage":null},', { include_usage: true }],
    [
      '"stream":true,"stream_options":{ "b" : [ 1.0 ], "include_usage":false, "include_obfuscation":false},',
      { include_usage: true, b: [1], include_obfuscation: false },
    ],
    [
      String.raw`"stream":true,"\u0073tream_options":{"\u0069nclude_usage":false,"é":"\u00e9"},`,
      { include_usage: true, é: 'é' },
    ],
  ])('%s', (members, expected) => {
    expect(options(members)).toEqual(expected);
  });

  test('the client’s other stream options are kept in their text', () => {
    expect(sent('"stream":true,"stream_options":{ "x" : 1.0 , "10":1 , "2":2},')).toContain(
      '"stream_options":{"include_usage":true,"x":1.0,"10":1,"2":2}',
    );
  });

  test.each([
    ['no stream', '', undefined],
    ['stream off', '"stream":false,"stream_options":{"include_usage":false},', { include_usage: false }],
    [
      'asked for by the client',
      '"stream":true,"stream_options":{"include_usage":true},',
      { include_usage: true },
    ],
  ])('stays as it is: %s', (_, members, expected) => {
    expect(options(members)).toEqual(expected);
    expect(prepare(`{"model":"m",${members}${MESSAGES}}`).usageAdded).toBe(false);
  });

  test('is not asked of a provider that cannot tell', () => {
    const prepared = prepare(`{"model":"m","stream":true,${MESSAGES}}`, {
      resolveModel: (model) => routeTo(model, { usage: false }),
    });
    expect(prepared.usageAdded).toBe(false);
    expect(textOf(prepared)).not.toContain('stream_options');
  });
});

test('additions follow the model, in one order, and stream_options keep their place where the client had them', () => {
  expect(sent('"stream":true,"a":1,')).toMatch(
    /^\{"model":"m","prompt_cache_key":"tr-[0-9a-f]{16}","stream_options":\{"include_usage":true\},"a":1,"stream":true,"messages"/,
  );
  expect(sent('"stream":true,"stream_options":null,"a":1,')).toMatch(
    /^\{"model":"m","prompt_cache_key":"tr-[0-9a-f]{16}","a":1,"stream":true,"stream_options":\{"include_usage":true\},"messages"/,
  );
});

test('fields that the gateway does not know go out untouched', () => {
  const unknown = '"x_vendor":{"z":[1e2,-0,{"10":1,"2":null}]},';
  expect(sent(unknown)).toContain(unknown.slice(0, -1));
});

describe('byte-exact mode', () => {
  test('sends the client’s own bytes, not a copy', () => {
    const body = Buffer.from(`{ "stream":true, ${MESSAGES} ,"model":"m"}`);
    const prepared = prepare(body, {}, { passthrough: true });
    expect(prepared.body).toBe(body);
    expect(prepared.usageAdded).toBe(false);
  });
});

describe('memory', () => {
  test('a body has a buffer of exactly its own size', () => {
    const prepared = prepare(`{"model":"m","stream":true,${MESSAGES}}`);
    expect(prepared.body.buffer.byteLength).toBe(prepared.body.byteLength);
  });

  test('a large image is sent from the client’s body', () => {
    const image = 'QUJD'.repeat(200_000);
    const body = Buffer.from(
      `{"model":"m","stream":true,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,${image}"}}]}]}`,
    );
    const prepared = prepare(body);
    const { bodyBytes } = prepared;
    const parts = prepared.takeParts();
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.some((part) => part.buffer === body.buffer)).toBe(true);
    const joined = Buffer.concat(parts);
    expect(joined.byteLength).toBe(bodyBytes);
    expect(joined.equals(prepare(body).body)).toBe(true);
    expect(JSON.parse(joined.toString())).toMatchObject({
      model: 'm',
      stream_options: { include_usage: true },
    });
    expect(joined.includes(image)).toBe(true);
  });

  test('a member of that size that is replaced is not sent twice', () => {
    const filler = 'x'.repeat(400_000);
    expect(options(`"stream":true,"stream_options":{"filler":"${filler}"},`)).toEqual({
      include_usage: true,
      filler,
    });
  });
});
