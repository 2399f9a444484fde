import { GatewayError } from '../../errors/gateway-error.ts';
import { JsonDocument, Kind } from '../../std/json/document.ts';
import { normaliseUsage } from '../anthropic-messages/usage.ts';
import type { AnswerContext } from '../conversion.ts';
import { decodeRaw, inventedId, memberOf, rawOf, readBody, sourceOf, textOf } from '../raw-text.ts';
import { finishReason } from './finish.ts';
import { chatUsage } from './usage.ts';

/** What the content blocks of an answer come to: raw text, and JSON source of array elements. */
interface Content {
  text: string;
  thinking: string;
  readonly thinkingBlocks: string[];
  readonly toolCalls: string[];
}

const document = new JsonDocument('last');

/**
 * A whole Messages answer as a Chat Completion.
 *
 * Text blocks are joined without a separator. Thinking is `reasoning_content`, as DeepSeek has it; what the vendor needs
 * to get back, signatures and redacted thinking, comes as the blocks themselves in the extension `thinking_blocks`, each
 * with the `index` it has among the blocks of the message: a client that returns them on the assistant's message loses
 * nothing. `stop_details` of a refusal is an extension of the choice. Citations and the blocks of server tools have no
 * place in a Chat Completion and are left out.
 */
export function chatAnswer(answer: Uint8Array, context: AnswerContext): Uint8Array {
  try {
    return Buffer.from(converted(answer, context));
  } finally {
    document.release();
  }
}

function converted(answer: Uint8Array, context: AnswerContext): string {
  const blocks = readBody(document, answer) ? memberOf(document, 0, 'content') : -1;
  if (blocks < 0 || document.kind(blocks) !== Kind.Array)
    throw new GatewayError('upstream_protocol', 'The vendor answered with something that is no message.');
  const content: Content = { text: '', thinking: '', thinkingBlocks: [], toolCalls: [] };
  const end = document.next(blocks);
  for (let block = blocks + 1; block < end; block = document.next(block)) addBlock(block, content);

  const hasCalls = content.toolCalls.length > 0;
  const stopReason = textOf(document, memberOf(document, 0, 'stop_reason'));
  const told = sourceOf(document, memberOf(document, 0, 'id')) ?? '""';
  const id = told === '""' ? inventedId('chatcmpl-', context.unique) : told;
  const model = sourceOf(document, memberOf(document, 0, 'model')) ?? JSON.stringify(context.model);
  const text = content.text === '' && hasCalls ? 'null' : `"${content.text}"`;
  let message = `{"role":"assistant","content":${text},"refusal":null`;
  if (content.thinking !== '') message += `,"reasoning_content":"${content.thinking}"`;
  if (content.thinkingBlocks.length > 0)
    message += `,"thinking_blocks":[${content.thinkingBlocks.join(',')}]`;
  if (hasCalls) message += `,"tool_calls":[${content.toolCalls.join(',')}]`;
  const choice = `{"index":0,"message":${message}},"logprobs":null,"finish_reason":"${finishReason(stopReason, hasCalls)}"${stopDetails()}}`;
  return `{"id":${id},"object":"chat.completion","created":${context.nowS},"model":${model},"choices":[${choice}]${usageMember()}}`;
}

function addBlock(block: number, content: Content): void {
  switch (textOf(document, memberOf(document, block, 'type')) ?? '') {
    case 'text':
      content.text += rawOf(document, memberOf(document, block, 'text'));
      return;
    case 'thinking':
      content.thinking += rawOf(document, memberOf(document, block, 'thinking'));
      // Without a signature the vendor would not take it back.
      if (rawOf(document, memberOf(document, block, 'signature')) !== '')
        keep(document.source(block), content);
      return;
    case 'redacted_thinking':
      keep(document.source(block), content);
      return;
    case 'tool_use': {
      const input = memberOf(document, block, 'input');
      const place = `${document.source(block)}${content.toolCalls.length}`;
      content.toolCalls.push(
        toolCall(
          sourceOf(document, memberOf(document, block, 'id')) ?? inventedId('call_', place),
          sourceOf(document, memberOf(document, block, 'name')) ?? '""',
          input < 0 ? '{}' : document.source(input),
        ),
      );
      return;
    }
    default:
  }
}

/** Keeps a block to come back, with its place among what else does: blocks, the text as one unless it is blank, calls. */
function keep(block: string, content: Content): void {
  const index =
    content.thinkingBlocks.length + Number(decodeRaw(content.text).trim() !== '') + content.toolCalls.length;
  content.thinkingBlocks.push(`${block.slice(0, -1)},"index":${index}}`);
}

/** `id` and `name` are source; `input` is the source text of the object, which the arguments are to the byte. */
const toolCall = (id: string, name: string, input: string): string =>
  `{"id":${id},"type":"function","function":{"name":${name},"arguments":${JSON.stringify(input)}}}`;

function stopDetails(): string {
  const details = memberOf(document, 0, 'stop_details');
  if (details < 0 || document.kind(details) !== Kind.Object) return '';
  return `,"stop_details":${document.source(details)}`;
}

function usageMember(): string {
  const node = memberOf(document, 0, 'usage');
  const usage = node < 0 ? null : normaliseUsage(JSON.parse(document.source(node)));
  return usage === null ? '' : `,"usage":${chatUsage(usage)}`;
}
