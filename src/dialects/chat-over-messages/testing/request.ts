import type { GatewayError } from '../../../errors/gateway-error.ts';
import type { RequestContext } from '../../conversion.ts';
import { convertText, faultOf, type Converted } from '../../conversion/testing/convert.ts';
import { toMessagesRequest } from '../request.ts';

/** A model of the kind that takes the most. */
export const OLDER = 'claude-sonnet-4-5';
/** Adaptive thinking, no sampling parameters, system messages anywhere, tool choice free. */
export const NEWER = 'claude-opus-5';
export const NEWEST = 'claude-opus-5-5';

/** Converts a body given as text. */
export function converted(text: string, model = OLDER, context: Partial<RequestContext> = {}): Converted {
  return convertText(toMessagesRequest, text, { upstreamModel: model, ...context });
}

/** A request with these messages, each as source text. */
export const withMessages = (...messages: readonly string[]): string =>
  `{"model":"m","messages":[${messages.join(',')}]}`;

/** A request with these members beside one message. */
export const withFields = (members: string): string =>
  `{"model":"m",${members},"messages":[{"role":"user","content":"x"}]}`;

/** What is written for these messages: `,"system":…,"messages":…` up to the first field behind them. */
export function messagesOf(
  messages: readonly string[],
  model = OLDER,
  context: Partial<RequestContext> = {},
): string {
  const { text } = converted(withMessages(...messages), model, context);
  const start = text.indexOf(',') + 1;
  return text.slice(start, text.lastIndexOf(',"max_tokens"'));
}

/** What is written for these fields, behind the messages. */
export function fieldsOf(members: string, model = OLDER, context: Partial<RequestContext> = {}): string {
  const { text } = converted(withFields(members), model, context);
  const mark = '"messages":[{"role":"user","content":"x"}]';
  return text.slice(text.indexOf(mark) + mark.length + 1, -1);
}

export const refusal = (text: string, model = OLDER): GatewayError => faultOf(() => converted(text, model));

export const USER = '{"role":"user","content":"x"}';
export const call = (id: string, name = 'f', held = '{}'): string =>
  `{"id":${JSON.stringify(id)},"type":"function","function":{"name":"${name}","arguments":${JSON.stringify(held)}}}`;
export const calls = (...ids: readonly string[]): string =>
  `{"role":"assistant","content":null,"tool_calls":[${ids.map((id) => call(id)).join(',')}]}`;
export const result = (id: string, content = '"r"'): string =>
  `{"role":"tool","tool_call_id":${JSON.stringify(id)},"content":${content}}`;
