import { expect } from 'bun:test';
import type { ErrorCode } from '../../src/errors/catalogue.ts';
import { eventually, type Gateway } from './gateway.ts';

export interface ApiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
}

/** The error of a body in the OpenAI shape, with nothing beside it. */
export function errorOf(body: string): ApiError {
  const parsed = JSON.parse(body) as { readonly error: ApiError };
  expect(Object.keys(parsed)).toEqual(['error']);
  expect(Object.keys(parsed.error).toSorted()).toEqual(['code', 'message', 'param', 'type']);
  expect(parsed.error.message).toMatch(/\S/);
  expect(parsed.error.type).toMatch(/\S/);
  return parsed.error;
}

export async function expectError(
  response: Response,
  status: number,
  code: ErrorCode,
  param: string | null = null,
): Promise<ApiError> {
  const text = await response.text();
  expect(`${response.status} ${text}`).toStartWith(`${status} `);
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(response.headers.get('x-request-id')).toMatch(/\S/);
  const error = errorOf(text);
  expect(error).toMatchObject({ code, param });
  return error;
}

/** Every proxy thread beats, nothing is left in flight, and a good request is answered. */
export async function expectHealthy(gateway: Gateway, key: string, workers = 2): Promise<void> {
  await eventually(async () => (await gateway.metric('in_flight')) === 0, 'nothing in flight');
  await eventually(async () => (await gateway.metric('worker_up')) === workers, 'every thread up');
  expect(gateway.output).not.toMatch(/a thread (is stuck|is gone|has failed)/);
  const response = await gateway.chat(key, {
    model: 'gpt-4o',
    messages: [{ role: 'user', content: `still there? ${crypto.randomUUID()}` }],
  });
  expect(`${response.status} ${await response.text()}`).toStartWith('200 ');
}
