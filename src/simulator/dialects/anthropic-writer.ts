import type { Answer, ToolCall } from '../answers.ts';
import type { Usage } from '../bill.ts';
import type { ThinkingBlocks } from '../conversation.ts';
import type { Step } from '../steps.ts';
import { namedEvent } from './sse.ts';
import type { AnswerFrame, AnswerWriter } from './types.ts';

/** As the service sends it, blank and all. */
export const PING_EVENT = 'event: ping\ndata: {"type": "ping"}\n\n';

/** What a stream tells of the output when it has only begun. */
const FIRST_OUTPUT_TOKENS = 1;
const LONGEST_PADDING = 15;

export const messageId = (id: string): string => `msg_01Sim${id}`;

const callHead = (call: ToolCall): object => ({
  type: 'tool_use',
  id: `toolu_01Sim${call.id}`,
  name: call.name,
});

/** Tokens of the prompt, which only one of three counts tells. */
const promptUsage = (usage: Usage): object => ({
  input_tokens: usage.prompt - usage.cached - usage.written,
  cache_creation_input_tokens: usage.written,
  cache_read_input_tokens: usage.cached,
});

const writtenByTtl = (usage: Usage): object => ({
  cache_creation: {
    ephemeral_5m_input_tokens: usage.written - usage.writtenLong,
    ephemeral_1h_input_tokens: usage.writtenLong,
  },
});

const thoughtTokens = (usage: Usage, blocks: ThinkingBlocks | null): object =>
  blocks?.counted === true ? { output_tokens_details: { thinking_tokens: usage.reasoning } } : {};

const SERVED = { service_tier: 'standard', inference_geo: 'global' } as const;

function stopReason(answer: Answer): {
  stop_reason: string;
  stop_sequence: string | null;
  stop_details: null;
} {
  const { finish, stopSequence } = answer;
  const reasons = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' } as const;
  const reason = finish === 'stop' && stopSequence !== null ? 'stop_sequence' : reasons[finish];
  return {
    stop_reason: reason,
    stop_sequence: reason === 'stop_sequence' ? stopSequence : null,
    stop_details: null,
  };
}

/** Arguments that the token limit has cut are no object any more. */
function inputOf(call: ToolCall): unknown {
  try {
    return JSON.parse(call.arguments.text);
  } catch {
    return {};
  }
}

/** The token limit may have left nothing of it. */
const hasThought = (answer: Answer): boolean => answer.reasoningTokens > 0;

type OpenBlock = 'none' | 'thinking' | 'text' | 'tool_use';

/**
 * The Messages API as the service writes it (streaming guide; details as recorded in summer 2026). A stream's blocks come one
 * after the other: each is opened by its first step and closed by the first step of another.
 */
export class AnthropicWriter implements AnswerWriter {
  readonly #frame: AnswerFrame;
  readonly #blocks: ThinkingBlocks | null;
  #open: OpenBlock = 'none';
  #index = -1;
  #answer: Answer | null = null;

  constructor(frame: AnswerFrame) {
    this.#frame = frame;
    this.#blocks = frame.conversation.thinkingBlocks;
  }

  whole([answer]: readonly Answer[]): string {
    const { usage } = this.#frame;
    const content: object[] = [];
    if (answer === undefined) return '';
    if (hasThought(answer)) content.push(this.#thinkingBlock(answer));
    const text = answer.content?.text ?? '';
    if (text !== '') content.push({ type: 'text', text });
    for (const call of answer.toolCalls)
      content.push({ ...callHead(call), input: inputOf(call), caller: { type: 'direct' } });
    return JSON.stringify(
      this.#message(content, stopReason(answer), {
        ...promptUsage(usage),
        ...writtenByTtl(usage),
        output_tokens: usage.output,
        ...thoughtTokens(usage, this.#blocks),
        ...SERVED,
      }),
    );
  }

  event(step: Step): string {
    switch (step.kind) {
      case 'start':
        return this.#start(step.answer);
      case 'reasoning':
        return (
          this.#switch('thinking') +
          (this.#blocks?.shown === false ? '' : this.#delta({ type: 'thinking_delta', thinking: step.text }))
        );
      case 'text':
        return this.#switch('text') + this.#delta({ type: 'text_delta', text: step.text });
      case 'call':
        return (
          this.#close() +
          this.#begin('tool_use', { ...callHead(step.call), input: {}, caller: { type: 'direct' } }) +
          this.#delta({ type: 'input_json_delta', partial_json: '' })
        );
      case 'arguments':
        // No arguments, no further fragment.
        return step.text === '{}' ? '' : this.#delta({ type: 'input_json_delta', partial_json: step.text });
      case 'finish':
        return this.#close() + this.#finish(step.answer);
      default:
        return step satisfies never;
    }
  }

  ending(): string {
    return this.#event('message_stop', {});
  }

  #message(content: readonly object[], stop: object, usage: object): object {
    const { id, model } = this.#frame;
    const dropped = this.#blocks?.dropped ?? null;
    return {
      model,
      id: messageId(id),
      type: 'message',
      role: 'assistant',
      content,
      ...stop,
      usage,
      ...(dropped === null ? {} : { input_transformations: dropped }),
    };
  }

  #start(answer: Answer): string {
    const { usage } = this.#frame;
    this.#answer = answer;
    const message = this.#message(
      [],
      { stop_reason: null, stop_sequence: null, stop_details: null },
      {
        ...promptUsage(usage),
        ...writtenByTtl(usage),
        output_tokens: FIRST_OUTPUT_TOKENS,
        ...SERVED,
      },
    );
    const hasText = (answer.content?.text ?? '') !== '';
    let first = '';
    if (hasThought(answer)) first = this.#switch('thinking');
    else if (hasText) first = this.#switch('text');
    return this.#event('message_start', { message }) + first + PING_EVENT;
  }

  #finish(answer: Answer): string {
    const { usage } = this.#frame;
    return this.#event('message_delta', {
      delta: stopReason(answer),
      usage: {
        ...promptUsage(usage),
        output_tokens: usage.output,
        ...thoughtTokens(usage, this.#blocks),
      },
    });
  }

  /** Makes a block of this kind the open one. */
  #switch(kind: 'thinking' | 'text'): string {
    if (this.#open === kind) return '';
    const block = kind === 'text' ? { type: kind, text: '' } : { type: kind, thinking: '', signature: '' };
    return this.#close() + this.#begin(kind, block);
  }

  #begin(kind: OpenBlock, block: object): string {
    this.#open = kind;
    this.#index++;
    return this.#event('content_block_start', { index: this.#index, content_block: block });
  }

  #close(): string {
    const kind = this.#open;
    if (kind === 'none') return '';
    this.#open = 'none';
    let signature = '';
    if (kind === 'thinking' && this.#answer !== null) {
      signature = this.#delta({ type: 'signature_delta', ...this.#signature(this.#answer) });
    }
    return signature + this.#event('content_block_stop', { index: this.#index });
  }

  #delta(delta: object): string {
    return this.#event('content_block_delta', { index: this.#index, delta });
  }

  #thinkingBlock(answer: Answer): object {
    return { type: 'thinking', thinking: this.#shownText(answer), ...this.#signature(answer) };
  }

  #shownText(answer: Answer): string {
    return this.#blocks?.shown === false ? '' : (answer.reasoning?.text ?? '');
  }

  #signature(answer: Answer): { signature: string } {
    const text = this.#shownText(answer);
    return { signature: this.#blocks?.sign(text, answer.reasoningTokens) ?? '' };
  }

  /** The service pads its events with blanks, so that their length tells nothing about their text. */
  #event(type: string, members: object): string {
    const json = JSON.stringify({ type, ...members });
    const padding = this.#frame.conversation.obfuscation ? json.length % (LONGEST_PADDING + 1) : 0;
    return namedEvent(type, padding === 0 ? json : `${json.slice(0, -1)}${' '.repeat(padding)}}`);
  }
}
