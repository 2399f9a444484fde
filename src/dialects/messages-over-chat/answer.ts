import { GatewayError } from '../../errors/gateway-error.ts';
import { JsonDocument, Kind } from '../../std/json/document.ts';
import type { AnswerContext } from '../conversion.ts';
import { normaliseUsage } from '../openai-chat/usage.ts';
import { decodeRaw, inventedId, memberOf, rawOf, readBody, sourceOf, textOf } from '../raw-text.ts';
import { finishOf } from './finish.ts';
import {
  argumentsRaw,
  elements,
  firstChoice,
  inputSource,
  isStub,
  readMessage,
  reasonOf,
  uniqueSource,
} from './message.ts';
import { messagesUsage } from './usage.ts';

const document = new JsonDocument('last');

/**
 * A whole Chat Completion as a Message: thinking, then text, then one `tool_use` a call. Thinking has no signature, so
 * that nobody takes it for the vendor's whose name the dialect bears. `stop_sequence` is null: a Chat Completion does not
 * say which it was. Log probabilities, audio and annotations have no place in a Message and are left out.
 */
export function messagesAnswer(answer: Uint8Array, context: AnswerContext): Uint8Array {
  try {
    return Buffer.from(converted(answer, context));
  } finally {
    document.release();
  }
}

function converted(answer: Uint8Array, context: AnswerContext): string {
  if (!readBody(document, answer)) throw noCompletion(false);
  const choice = firstChoice(document, memberOf(document, 0, 'choices'));
  const message = memberOf(document, choice, 'message');
  if (message < 0 || document.kind(message) !== Kind.Object) throw noCompletion(true);
  const told = sourceOf(document, memberOf(document, 0, 'id')) ?? '""';
  const id = told === '""' ? inventedId('msg_', context.unique) : told;
  const named = sourceOf(document, memberOf(document, 0, 'model')) ?? '""';
  const model = named === '""' ? JSON.stringify(context.model) : named;

  const blocks: string[] = [];
  const { thinking, text, refusal, toolCalls, functionCall } = readMessage(document, message);
  if (thinking !== '') blocks.push(`{"type":"thinking","thinking":"${thinking}","signature":""}`);
  if (text + refusal !== '') blocks.push(`{"type":"text","text":"${text}${refusal}"}`);
  const made = elements(document, toolCalls).filter(
    (call) =>
      rawOf(document, memberOf(document, call, 'id')) !== '' ||
      !isStub(document, memberOf(document, call, 'function')),
  );
  const calls = made.map((call, place) => {
    const callId = sourceOf(document, memberOf(document, call, 'id'));
    return toolUse(memberOf(document, call, 'function'), callId, `${context.unique}${place}`);
  });
  // The form before there were tools.
  if (calls.length === 0 && functionCall >= 0) calls.push(toolUse(functionCall, null, `${context.unique}0`));
  blocks.push(...calls);

  const reason = reasonOf(document, memberOf(document, choice, 'finish_reason'));
  const finish = finishOf(reason, calls.length > 0, refusal !== '');
  if ('broken' in finish)
    throw new GatewayError('upstream_closed', `The vendor broke off its answer: ${reason}.`);
  return `{"id":${id},"type":"message","role":"assistant","model":${model},"content":[${blocks.join(',')}],"stop_reason":"${finish.stopReason}","stop_sequence":null,"stop_details":null,"usage":${usageSource()}}`;
}

function noCompletion(isObject: boolean): GatewayError {
  const error = isObject ? memberOf(document, 0, 'error') : -1;
  const said = textOf(document, memberOf(document, error, 'message'));
  return new GatewayError(
    'upstream_protocol',
    said === null
      ? 'The vendor answered with something that is no completion.'
      : `The vendor answered with an error: ${said}`,
  );
}

/** `call` holds name and arguments. What has no id, or one that others may have, gets one of its own. */
function toolUse(call: number, id: string | null, place: string): string {
  const name = sourceOf(document, memberOf(document, call, 'name')) ?? '""';
  if (name === '""')
    throw new GatewayError('upstream_protocol', 'The vendor sent a tool call without a name.');
  const known = id === null || id === '""' ? inventedId('toolu_', place) : uniqueSource(id, name, place);
  const input = inputSource(decodeRaw(argumentsRaw(document, call)));
  return `{"type":"tool_use","id":${known},"name":${name},"input":${input}}`;
}

function usageSource(): string {
  const node = memberOf(document, 0, 'usage');
  return messagesUsage(node < 0 ? null : normaliseUsage(JSON.parse(document.source(node))));
}
