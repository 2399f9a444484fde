import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../errors/gateway-error.ts';
import { inputOf, prepare, routeTo, runTo, type Setting } from './pipeline-fixture.ts';
import { Envelope } from './envelope.ts';
import { inboundAdapter } from './inbound-adapter.ts';

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

test('what is not the client’s fault is not blamed on it', () => {
  const stage = inboundAdapter(() => {
    throw new TypeError('a defect');
  });
  const envelope = new Envelope();
  envelope.open(inputOf(`{"model":"m",${MESSAGES}}`));
  expect(() => stage.run(envelope)).toThrow(TypeError);
});
