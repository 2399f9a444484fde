import type { GatewayError } from '../../../errors/gateway-error.ts';
import type { RequestContext } from '../../conversion.ts';
import { convertText, faultOf, memberText, type Converted } from '../../conversion/testing/convert.ts';
import { toChatRequest } from '../request.ts';

type Context = Partial<RequestContext>;

/** Converts a body given as text. */
export function converted(text: string, model = 'gpt-4o', context: Context = {}): Converted {
  return convertText(toChatRequest, text, { upstreamModel: model, ...context });
}

export const USER = '{"role":"user","content":"x"}';

/** A request with these messages, each as source text. */
export const withMessages = (...messages: readonly string[]): string =>
  `{"model":"m","max_tokens":9,"messages":[${messages.join(',')}]}`;

/** A request with these members beside one message. */
export const withFields = (members: string): string =>
  `{"model":"m","max_tokens":9,${members},"messages":[${USER}]}`;

/** The messages that are written for these. */
export const messagesOf = (messages: readonly string[], model = 'gpt-4o', context: Context = {}): string =>
  memberText(converted(withMessages(...messages), model, context).text, 'messages');

/** What is written for these fields, but for the model, the messages and the limit. */
export function fieldsOf(members: string, model = 'gpt-4o', context: Context = {}): string {
  const { text } = converted(withFields(members), model, context);
  return text
    .slice(`{"model":"${model}",`.length, -1)
    .replace(/"messages":\[.*?\],"max_(completion_)?tokens":9,?/, '')
    .replace(/,$/, '');
}

export const refusal = (text: string, model = 'gpt-4o'): GatewayError =>
  faultOf(() => converted(text, model));

export const use = (id: string, input = '{}'): string =>
  `{"type":"tool_use","id":${JSON.stringify(id)},"name":"f","input":${input}}`;
export const assistant = (...blocks: readonly string[]): string =>
  `{"role":"assistant","content":[${blocks.join(',')}]}`;
export const user = (...blocks: readonly string[]): string =>
  `{"role":"user","content":[${blocks.join(',')}]}`;
export const text = (words: string, more = ''): string => `{"type":"text","text":"${words}"${more}}`;
export const result = (id: string, more = ',"content":"r"'): string =>
  `{"type":"tool_result","tool_use_id":${JSON.stringify(id)}${more}}`;
