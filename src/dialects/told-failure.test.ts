import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { failureIn, type ToldFailure } from './told-failure.ts';

const told = (value: unknown): ToldFailure => failureIn(value)!;

describe('failureIn', () => {
  test('an error has the status that it names, in whatever place', () => {
    for (const [error, status] of [
      [{ message: 'x', code: 502 }, 502],
      [{ message: 'x', code: '429' }, 429],
      [{ message: 'x', status: 400 }, 400],
      [{ message: 'x', code: 404, status: 'NOT_FOUND' }, 404],
      [{ message: 'x', status_code: 422 }, 422],
      [{ message: 'x', type: 'overloaded_error' }, 529],
      [{ message: 'x', type: 'invalid_request_error', code: 'invalid_api_key' }, 401],
      [{ message: 'x', type: 'insufficient_quota', code: 'insufficient_quota' }, 429],
      [{ message: 'x', status: 'RESOURCE_EXHAUSTED' }, 429],
      [{ message: 'x', type: 'server_error', code: null }, 500],
    ] as const)
      expect([error, told({ error }).status]).toEqual([error, status]);
    expect(told({ error: 'x', code: 503 })).toEqual({ status: 503, message: 'x', form: 'plain' });
    expect(told({ error: 'Bad Request', status: 400, message: 'long' }).status).toBe(400);
  });

  test('one that names none that can be is the vendor’s fault', () => {
    for (const code of [200, 0, 399, 600, 1004, -500, 500.5, 'boom', null, {}, [], '', true])
      expect(told({ error: { message: 'x', code } }).status).toBe(502);
    for (const error of [{}, [], 'x', true, 7]) expect(told({ error }).status).toBe(502);
  });

  test('what has no `error` is one where nothing else has that shape', () => {
    for (const [value, status] of [
      [{ object: 'error', message: 'm', type: 'NotFoundError', param: null, code: 404 }, 404],
      [{ object: 'error', message: 'm', type: 'BadRequestError', code: 40301 }, 400],
      [{ detail: 'Not Found' }, 502],
      [{ detail: [{ loc: ['body'], msg: 'm', type: 'missing' }] }, 502],
      [{ message: 'm', code: 500 }, 500],
      [{ msg: 'm', status: 403 }, 403],
      [{ type: 'error', message: 'm' }, 502],
    ] as const)
      expect(told(value)).toMatchObject({ status, form: 'bare' });
    expect(told({ type: 'error', error: { type: 'api_error', message: 'm' } })).toEqual({
      status: 500,
      message: 'm',
      form: 'typed',
    });
  });

  test('nothing is told by nulls, by what is empty, and by what says something else', () => {
    for (const value of [
      {},
      { error: null },
      { error: false, choices: [] },
      { error: '' },
      { error: 0 },
      { message: 'hello' },
      { message: { role: 'assistant', content: 'x' }, code: 200 },
      { detail: 'queued', position: 3 },
      { code: 500 },
      { object: 'chat.completion.chunk', choices: [] },
      { type: 'ping' },
      null,
      [],
      'error',
      undefined,
    ])
      expect(failureIn(value)).toBeNull();
  });

  test('a code that is no code is none', () => {
    expect(failureIn({ error: {}, code: [{ toString: 0 }] })?.status).toBe(502);
    expect(failureIn({ error: { message: 'x', code: { toString: null, valueOf: 1 } } })?.status).toBe(502);
  });

  test('property: a status is always one that can be answered', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('error', 'code', 'status', 'type', 'message', 'detail'),
          fc.jsonValue(),
        ),
        (value) => {
          const failure = failureIn(value);
          if (failure !== null) expect(failure.status).toBeWithin(400, 600);
        },
      ),
    );
  });
});
