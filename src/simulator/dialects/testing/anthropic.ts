import { type Answer, answerTo } from '../../answers.ts';
import type { CachePrompt } from '../../cache/types.ts';
import { NO_DIRECTIVES } from '../../directives.ts';
import { TokenWriter } from '../../tokens.ts';
import { isVendorError, type VendorError } from '../../vendor-error.ts';
import { anthropicDialect } from '../anthropic.ts';
import type { Call, Headers } from '../types.ts';

export type Body = Readonly<Record<string, unknown>>;

export const USER = { role: 'user', content: 'question' };
export const EPHEMERAL = { cache_control: { type: 'ephemeral' } };
export const ONE_HOUR = { cache_control: { type: 'ephemeral', ttl: '1h' } };
export const IMAGE = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGVsbG8=' } };

export const text = (said: string, more: Body = {}): Body => ({ type: 'text', text: said, ...more });
export const user = (...blocks: Body[]): Body => ({ role: 'user', content: blocks });
export const assistant = (...blocks: Body[]): Body => ({ role: 'assistant', content: blocks });
export const tool = (name: string, more: Body = {}): Body => ({
  name,
  description: 'd',
  input_schema: { type: 'object', properties: { b: {}, a: {} } },
  ...more,
});
export const use = (id: string, input: Body = {}, more: Body = {}): Body => ({
  type: 'tool_use',
  id,
  name: 'f',
  input,
  ...more,
});
export const result = (id: string, more: Body = {}): Body => ({
  type: 'tool_result',
  tool_use_id: id,
  content: `result ${id}`,
  ...more,
});

/** A good request of a model that takes everything, with `differences`. */
export const request = (differences: Body = {}): Body => ({
  model: 'claude-sonnet-4-5',
  max_tokens: 1000,
  messages: [USER],
  ...differences,
});

const read = (differences: Body, beta: string, version = '2023-06-01'): Call | VendorError => {
  const headers: Headers = new Map([
    ['anthropic-version', version],
    ['anthropic-beta', beta],
  ]);
  return anthropicDialect.read(request(differences), headers);
};

/** Status and message of the refusal; null: accepted. */
export function refusal(differences: Body, beta = '', version?: string): string | null {
  const found = read(differences, beta, version);
  return isVendorError(found) ? `${found.status} ${found.message}` : null;
}

export function accepted(differences: Body, beta = ''): Call {
  const call = read(differences, beta);
  if (isVendorError(call)) throw new Error(call.message);
  return call;
}

export interface Said {
  readonly id: string;
  readonly content: readonly Body[];
  readonly stop_reason: string;
  readonly usage: Body;
  readonly input_transformations?: readonly Body[];
}

const NO_USAGE = { prompt: 0, cached: 0, written: 0, writtenLong: 0, output: 0, reasoning: 0 };

/** The whole answer a request gets. */
export function answer(differences: Body, beta = ''): Said {
  const { conversation } = accepted(differences, beta);
  const said: Answer = answerTo(conversation, NO_DIRECTIVES, 0);
  const { model } = conversation;
  const usage = { ...NO_USAGE, output: said.outputTokens, reasoning: said.reasoningTokens };
  const frame = { id: '0123456789abcdef', model, usage, conversation, directives: NO_DIRECTIVES };
  return JSON.parse(anthropicDialect.answer(frame).whole([said])) as Said;
}

/** The rendered prompt, kept beyond the next rendering. */
export function render(differences: Body, account = 'account'): CachePrompt {
  const call = accepted(differences);
  const prompt = call.render(new TokenWriter(), answerTo(call.conversation, NO_DIRECTIVES, 0), account);
  return { ...prompt, tokens: prompt.tokens.slice() };
}
