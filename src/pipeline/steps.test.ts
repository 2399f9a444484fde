import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../errors/gateway-error.ts';
import { hexOf, inputOf, MESSAGES, OPTIONS, routeTo, routeToClaude, textOf } from './testing/pipeline.ts';
import { Pipeline, type PipelineOptions } from './pipeline.ts';
import { Prepared, type PreparedFields } from './prepared.ts';
import type { PipelineInput } from './envelope.ts';

const CHAT = {
  max_tokens: 100,
  tools: [
    { type: 'function', function: { name: 'b', parameters: { type: 'object', properties: {} } } },
    { type: 'function', function: { name: 'a', parameters: { type: 'object', properties: {} } } },
  ],
  messages: [
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: 'caf\u00e9 \ud83d\ude00 / "x"' },
    {
      role: 'assistant',
      tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'a', arguments: '{"x":[1,2]}' } }],
    },
    { role: 'tool', tool_call_id: 'call_1', content: 'done' },
  ],
};
const MESSAGES_BODY = {
  max_tokens: 100,
  system: [{ type: 'text', text: 'Be short.', cache_control: { type: 'ephemeral' } }],
  tools: [{ name: 'a', input_schema: { type: 'object', properties: {} } }],
  messages: [
    { role: 'user', content: 'caf\u00e9' },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'call_1', name: 'a', input: { x: [1, 2] } }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_1', content: 'done' }] },
  ],
};
/** Escapes where none are needed, and white space: nothing of it is canonical as it stands. */
const spelled = (body: object, model: string): string =>
  JSON.stringify({ model, ...body }, null, 1).replaceAll(/é|\//g, (one) => {
    const hex = one.charCodeAt(0).toString(16).padStart(4, '0');
    return `\\u${hex}`;
  });

const toClaude = { resolveModel: () => routeToClaude('claude-opus-4-8') };
const toOpenAi = { resolveModel: () => routeTo('gpt-4o') };
const ROUTES: readonly [string, string, Partial<PipelineOptions>, Partial<PipelineInput>][] = [
  ['chat', spelled(CHAT, 'gpt-4o'), toOpenAi, {}],
  ['chat to Claude', spelled(CHAT, 'claude-opus-4-8'), toClaude, {}],
  ['messages', spelled(MESSAGES_BODY, 'claude-opus-4-8'), toClaude, MESSAGES[1]],
  ['messages to OpenAI', spelled(MESSAGES_BODY, 'gpt-4o'), toOpenAi, MESSAGES[1]],
];

const madeOf = (fields: PreparedFields, { resolveModel }: Partial<PipelineOptions>): Prepared =>
  new Prepared(resolveModel!(fields.model)!, fields);
const told = (prepared: Prepared): object => ({
  ...Object.fromEntries(Object.entries(prepared)),
  fullHash: hexOf(prepared.fullHash),
  prefixHash: prepared.prefixHash,
  body: textOf(prepared),
});

describe('in steps', () => {
  for (const [name, body, options, input] of ROUTES) {
    test(`${name}: the same as in one go, whatever is prepared in between`, () => {
      const pipeline = new Pipeline({ ...OPTIONS, ...options });
      const wanted = told(pipeline.prepare(inputOf(body, input)));
      const steps = pipeline.prepareInSteps(inputOf(body, input));
      let count = 0;
      let step = steps.next();
      for (; step.done !== true; step = steps.next()) {
        count++;
        // Another request, with other text in each place, goes through the same stages.
        pipeline.prepare(inputOf(body.replaceAll('Be short.', 'Be as long as you like.'), input));
      }
      expect(told(madeOf(step.value, options))).toEqual(wanted);
      expect(count).toBeGreaterThan(pipeline.stageNames.length);
    });

    test(`${name}: two at a time do not meet`, () => {
      const pipeline = new Pipeline({ ...OPTIONS, ...options });
      const other = body.replaceAll('Be short.', 'Say more.');
      const all = [body, other].map((text) => pipeline.prepareInSteps(inputOf(text, input)));
      const ended: (PreparedFields | undefined)[] = [undefined, undefined];
      while (ended.some((one) => one === undefined)) {
        for (const [index, steps] of all.entries()) {
          const { done, value } = steps.next();
          if (done === true && value !== undefined) ended[index] = value;
        }
      }
      for (const [index, text] of [body, other].entries())
        expect(told(madeOf(ended[index]!, options))).toEqual(told(pipeline.prepare(inputOf(text, input))));
    });
  }

  test.each([
    ['{"model":"m","messages":[{"role":"user","content":"x"}', 'invalid_json'],
    ['{"model":"m","messages":[{"role":"user","role":"user"}]}', 'duplicate_key'],
    ['{"model":"m"}', 'missing_field'],
    ['\u{fffd}', 'invalid_json'],
  ])('%j is refused as in one go', (text, code) => {
    const pipeline = new Pipeline(OPTIONS);
    const fault = (run: () => unknown): GatewayError => {
      try {
        run();
      } catch (error) {
        if (error instanceof GatewayError) return error;
      }
      throw new Error('not refused');
    };
    const inSteps = fault(() => [...pipeline.prepareInSteps(inputOf(text))]);
    expect(inSteps.code).toBe(code as GatewayError['code']);
    expect(inSteps.message).toBe(fault(() => pipeline.prepare(inputOf(text))).message);
  });

  test('a body of millions of values is read in many of them', () => {
    const body = `{"model":"m","messages":[{"role":"user","content":"x"}],"other":[${'1 ,'.repeat(2_000_000)}1]}`;
    const pipeline = new Pipeline(OPTIONS);
    const steps = pipeline.prepareInSteps(inputOf(body));
    let count = 0;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) count++;
    expect(count).toBeGreaterThan(pipeline.stageNames.length + 7);
  });
});
