import { describe, expect, test } from 'bun:test';
import { requestConversion } from '../dialects/request-conversions.ts';
import type { RequestContext, RequestConversion } from '../dialects/conversion.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { DialectId } from '../providers/types.ts';
import {
  inputOf,
  MESSAGES as CLAUDE,
  OPTIONS,
  prepare,
  routeTo,
  routeToClaude,
  runTo,
  textOf,
  type Setting,
} from './testing/pipeline.ts';
import { Envelope } from './envelope.ts';
import { inboundAdapter } from './inbound-adapter.ts';
import { Pipeline } from './pipeline.ts';

function refusal(body: string | Uint8Array, ...rest: Setting): GatewayError {
  try {
    prepare(body, ...rest);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('not refused');
}
const MESSAGES = '"messages":[{"role":"user","content":"x"}]';

describe('bodies that are no request', () => {
  test('an empty one says so', () => {
    const error = refusal('');
    expect(error.code).toBe('invalid_json');
    expect(error.spec.status).toBe(400);
    expect(error.message).toBe('The request body is empty: send a JSON object.');
  });

  test.each(['{', 'x', ' ', '{"model":"m",}', '{"model":"m"} x', '\uFEFF{}', '{"a":"\u0001"}'])(
    '%j is no JSON',
    (body) => {
      const error = refusal(body);
      expect(error.code).toBe('invalid_json');
      expect(error.message).toMatch(/^The request body is not valid JSON: .* at byte \d+\.$/);
    },
  );

  test('bytes that are not UTF-8', () => {
    expect(refusal(Uint8Array.from([0x7b, 0xff, 0x7d])).code).toBe('invalid_json');
  });

  test.each(['[]', '"x"', '1', 'null', 'true'])('%s is no object', (body) => {
    expect(refusal(body).code).toBe('invalid_type');
  });

  test('deep nesting is refused, however deep', () => {
    for (const depth of [600, 200_000]) {
      const error = refusal(`{"model":"m",${MESSAGES},"x":${'['.repeat(depth)}`);
      expect(error.code).toBe('invalid_json');
      expect(error.message).toContain('nested deeper than 512');
    }
  });

  test('a duplicate key is named, in either spelling', () => {
    for (const body of [
      `{"model":"m",${MESSAGES},"n":1,"n":1}`,
      String.raw`{"model":"m","\u006eested":{"k":1,"\u006b":2}}`,
    ]) {
      const error = refusal(body);
      expect(error.code).toBe('duplicate_key');
      expect(['n', 'k']).toContain(error.param ?? '');
      expect(error.spec.status).toBe(400);
    }
  });
});

describe('models', () => {
  test('the route is what the name resolves to', () => {
    const envelope = runTo('inbound_adapter', `{"model":"fast",${MESSAGES}}`, {
      resolveModel: () => routeTo('gpt-4o'),
    });
    expect(envelope.request.model).toBe('fast');
    expect(envelope.route.upstreamModel).toBe('gpt-4o');
  });

  test('an unknown one is 404 and named, cut when long', () => {
    const error = refusal(`{"model":"${'x'.repeat(5000)}",${MESSAGES}}`, { resolveModel: () => null });
    expect(error.code).toBe('model_not_found');
    expect(error.param).toBe('model');
    expect(error.message.length).toBeLessThan(300);
  });

  test('byte-exact mode refuses what would have to be renamed', () => {
    const resolveModel = (): ReturnType<typeof routeTo> => ({ ...routeTo('gpt-4o'), rewritten: true });
    const body = `{"model":"fast",${MESSAGES}}`;
    expect(refusal(body, { resolveModel }, { passthrough: true }).code).toBe('passthrough_alias');
    expect(prepare(body, { resolveModel }).model).toBe('fast');
  });
});

describe('another dialect', () => {
  const CHAT = `{"model":"fast","stream":true,"max_tokens":5,${MESSAGES}}`;
  const converted: { body: string; context: RequestContext }[] = [];
  /** Notes what it is given, and answers a request that the client did not send. */
  const conversion =
    (body: string): RequestConversion =>
    (document, context) => {
      converted.push({ body: document.source(0), context });
      return { body: Buffer.from(body), warnings: ['seed: lost'], lost: '"seed":4' };
    };
  const MESSAGES_BODY = '{"model":"x","max_tokens":7,"messages":[{"role":"user","content":"y"}]}';
  const setting = (body = MESSAGES_BODY): Setting => [
    { resolveModel: () => routeToClaude('claude-opus-4-8'), conversionOf: () => conversion(body) },
  ];

  test('the body is converted, read anew, and says so', () => {
    converted.length = 0;
    const prepared = prepare(CHAT, ...setting());
    expect(converted).toEqual([
      {
        body: CHAT,
        context: {
          upstreamModel: 'claude-opus-4-8',
          cacheMarks: true,
          openaiFields: false,
          toolsBesideEffort: undefined,
          reasoningContent: undefined,
          cacheTtl: '5m',
        },
      },
    ]);
    expect(textOf(prepared)).toBe(MESSAGES_BODY.replace('"x"', '"claude-opus-4-8"'));
    expect(prepared).toMatchObject({
      model: 'fast',
      stream: true,
      // What is sent is what may be spent.
      maxOutputTokens: 7,
      usageRequested: false,
      usageAdded: false,
      vendorDialect: 'anthropic-messages',
      converted: true,
      warnings: ['seed: lost'],
      inputSize: { textBytes: MESSAGES_BODY.length, mediaTokens: 0, mediaTokensAtMost: 0 },
    });
  });

  test.each([true, false])('OpenAI’s own fields go where its cache key does: %p', (cacheKey) => {
    converted.length = 0;
    const resolveModel = (): ReturnType<typeof routeTo> => routeTo('gpt-5.6-sol', { cacheKey });
    const options = { resolveModel, conversionOf: () => conversion(CHAT) };
    prepare(MESSAGES_BODY, options, { dialect: 'anthropic-messages' });
    expect(converted[0]?.context.openaiFields).toBe(cacheKey);
  });

  test('the same dialect is not', () => {
    converted.length = 0;
    const chat = prepare(CHAT, { conversionOf: () => conversion(MESSAGES_BODY) });
    expect(converted).toEqual([]);
    expect(chat).toMatchObject({ converted: false, warnings: [], vendorDialect: 'openai-chat' });
    const [options, input] = CLAUDE;
    const messages = prepare(MESSAGES_BODY, { ...options, conversionOf: () => conversion(CHAT) }, input);
    expect(converted).toEqual([]);
    expect(messages).toMatchObject({ converted: false, vendorDialect: 'anthropic-messages' });
  });

  test('usage that the gateway asks for is the conversion’s, and not taken out of what the client gets', () => {
    const prepared = prepare(
      MESSAGES_BODY.replace('{', '{"stream":true,'),
      { conversionOf: () => conversion(CHAT) },
      { dialect: 'anthropic-messages' },
    );
    expect(textOf(prepared)).toContain('"stream_options":{"include_usage":true}');
    expect(prepared).toMatchObject({ usageRequested: true, usageAdded: false, stream: true });
  });

  test('what is asked of either side counts: a call is shareable when both say so', () => {
    const container = MESSAGES_BODY.replace('{', '{"container":"c",');
    expect(prepare(CHAT, ...setting(container)).shareable).toBe(false);
    expect(prepare(CHAT.replace('{', '{"store":true,'), ...setting()).shareable).toBe(false);
    expect(prepare(CHAT, ...setting()).shareable).toBe(true);
  });

  test('byte-exact mode cannot have it', () => {
    converted.length = 0;
    const error = refusal(CHAT, setting()[0], { passthrough: true });
    expect([error.code as string, error.spec.status, error.param]).toEqual([
      'unsupported_value',
      400,
      'model',
    ]);
    expect(error.message).toContain('another dialect');
    expect(converted).toEqual([]);
  });

  test('the client’s own dialect reads what it sent, in its own words', () => {
    expect(refusal('{"model":"m"}', ...setting()).message).toContain("'messages'");
    const [options] = CLAUDE;
    expect(refusal('{"model":"m"}', options, { dialect: 'anthropic-messages' }).message).toBe(
      'max_tokens: Field required',
    );
  });

  test('arguments that are nested too deep for the body they become a part of are the client’s to mend', () => {
    const deep = JSON.stringify(`${'{"a":'.repeat(508)}1${'}'.repeat(508)}`);
    const call = `{"id":"c","type":"function","function":{"name":"f","arguments":${deep}}}`;
    const body = `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[${call}]},{"role":"tool","tool_call_id":"c","content":"y"}]}`;
    const resolveModel = (): ReturnType<typeof routeTo> => routeToClaude('claude-opus-4-8');
    expect(refusal(body, { ...OPTIONS, resolveModel }).code).toBe('invalid_json');
  });

  test('the shipped conversions: to and fro, whatever came before', () => {
    const resolveModel = (model: string): ReturnType<typeof routeTo> =>
      model.startsWith('claude') ? routeToClaude(model) : routeTo(model);
    const pipeline = new Pipeline({ ...OPTIONS, resolveModel });
    const run = (dialect: DialectId, model: string): unknown => {
      const body = `{"model":"${model}","max_tokens":5,${MESSAGES}}`;
      const prepared = pipeline.prepare(inputOf(body, { dialect }));
      return { ...(JSON.parse(textOf(prepared)) as object), converted: prepared.converted };
    };
    for (let round = 0; round < 2; round++) {
      for (const dialect of ['openai-chat', 'anthropic-messages'] as const) {
        for (const model of ['claude-opus-4-8', 'gpt-4o']) {
          expect(run(dialect, model)).toMatchObject({
            model,
            max_tokens: 5,
            messages: [{ role: 'user' }],
            converted: (dialect === 'openai-chat') === model.startsWith('claude'),
          });
        }
      }
    }
  });
});

test('what is not the client’s fault is not blamed on it', () => {
  const fails = (): never => {
    throw new TypeError('a defect');
  };
  const stage = inboundAdapter(fails, requestConversion, '5m');
  const envelope = new Envelope();
  envelope.open(inputOf(`{"model":"m",${MESSAGES}}`));
  expect(() => stage.run(envelope)).toThrow(TypeError);
});
