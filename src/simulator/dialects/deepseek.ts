import type { Answer, ToolCall } from '../answers.ts';
import type { Usage } from '../bill.ts';
import type { Step } from '../steps.ts';
import { isVendorError, type VendorError } from '../vendor-error.ts';
import { bearerAccount, conversationOf, readChatBody, tokenLimit } from './chat-body.ts';
import { renderDeepseek } from './deepseek-render.ts';
import { deepseekRefusal, deepseekThinks } from './deepseek-rules.ts';
import { dataEvent, DONE_EVENT, KEEP_ALIVE_COMMENT } from './sse.ts';
import type { AnswerFrame, AnswerWriter, Call, Dialect } from './types.ts';

/** Constant, so that the same request gets the same bytes. */
const CREATED = 1_700_000_000;
const FINGERPRINT = 'fp_simulated_kvcache';
const MAX_NAME_LENGTH = 128;

function usageOf(usage: Usage): object {
  return {
    prompt_tokens: usage.prompt,
    completion_tokens: usage.output,
    total_tokens: usage.prompt + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cached },
    ...(usage.reasoning > 0 ? { completion_tokens_details: { reasoning_tokens: usage.reasoning } } : {}),
    prompt_cache_hit_tokens: usage.cached,
    prompt_cache_miss_tokens: usage.prompt - usage.cached,
  };
}

/** DeepSeek's ids are UUIDs. */
const uuidOf = (id: string): string =>
  `${id.slice(0, 8)}-${id.slice(8, 12)}-4${id.slice(13, 16)}-8${id.slice(1, 4)}-${id.slice(4, 16)}`;

const callHead = (call: ToolCall, index: number): { index: number; id: string; type: 'function' } => ({
  index,
  id: `call_${String(index).padStart(2, '0')}_${call.id}`,
  type: 'function',
});

function messageOf(answer: Answer): object {
  const calls = answer.toolCalls.map((call, index) => ({
    ...callHead(call, index),
    function: { name: call.name, arguments: call.arguments.text },
  }));
  return {
    role: 'assistant',
    content: answer.content?.text ?? '',
    ...(answer.reasoning === null ? {} : { reasoning_content: answer.reasoning.text }),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

/** Chat Completions as DeepSeek writes it (API reference; stream details as recorded from the service). */
class DeepseekWriter implements AnswerWriter {
  readonly #frame: AnswerFrame;
  /** What all events begin with, up to the choices. */
  readonly #head: string;
  readonly #thinking: boolean;

  constructor(frame: AnswerFrame) {
    this.#frame = frame;
    this.#thinking = frame.conversation.thinking;
    const common = `"created":${CREATED},"model":${JSON.stringify(frame.model)},"system_fingerprint":"${FINGERPRINT}"`;
    this.#head = `{"id":"${uuidOf(frame.id)}","object":"chat.completion.chunk",${common},"choices":[`;
  }

  whole(answers: readonly Answer[]): string {
    const { id, model, usage } = this.#frame;
    return JSON.stringify({
      id: uuidOf(id),
      object: 'chat.completion',
      created: CREATED,
      model,
      choices: answers.map((answer, index) => ({
        index,
        message: messageOf(answer),
        logprobs: null,
        finish_reason: answer.finish,
      })),
      usage: usageOf(usage),
      system_fingerprint: FINGERPRINT,
    });
  }

  event(step: Step, last: boolean): string {
    const { conversation, usage } = this.#frame;
    const finish = step.kind === 'finish' ? `"${step.answer.finish}"` : 'null';
    const choice = `{"index":${step.choice},"delta":${JSON.stringify(this.#delta(step))},"logprobs":null,"finish_reason":${finish}}`;
    let tail = '';
    if (conversation.streamUsage) {
      tail = last && !this.#usageTrails ? `,"usage":${JSON.stringify(usageOf(usage))}` : ',"usage":null';
    }
    return dataEvent(`${this.#head}${choice}]${tail}}`);
  }

  ending(): string {
    const { conversation, usage } = this.#frame;
    if (!conversation.streamUsage || !this.#usageTrails) return DONE_EVENT;
    return `${dataEvent(`${this.#head}],"usage":${JSON.stringify(usageOf(usage))}}`)}${DONE_EVENT}`;
  }

  /** The usage rides on the finish chunk, as recorded; on a chunk of its own, as the reference allows, where a test asks for it. */
  get #usageTrails(): boolean {
    return this.#frame.directives.trailing === 1;
  }

  #delta(step: Step): object {
    const silent = this.#thinking ? { reasoning_content: null } : {};
    switch (step.kind) {
      case 'start':
        return this.#thinking
          ? { role: 'assistant', content: null, reasoning_content: '' }
          : { role: 'assistant', content: '' };
      case 'reasoning':
        return { content: null, reasoning_content: step.text };
      case 'text':
        return { content: step.text, ...silent };
      case 'call': {
        const { index, call } = step;
        return { tool_calls: [{ ...callHead(call, index), function: { name: call.name, arguments: '' } }] };
      }
      case 'arguments':
        return { tool_calls: [{ index: step.index, function: { arguments: step.text } }] };
      case 'finish':
        return { content: '', ...silent };
      default:
        return step satisfies never;
    }
  }
}

/** Error types by status. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'unknown_error',
  429: 'rate_limit_error',
  500: 'server_error',
  503: 'service_unavailable_error',
};

function errorObject(error: VendorError): { error: object } {
  const type = TYPES[error.status] ?? (error.status >= 500 ? 'server_error' : 'invalid_request_error');
  return {
    error: { message: error.message, type, param: error.param, code: error.code ?? 'invalid_request_error' },
  };
}

export const deepseekDialect: Dialect = {
  name: 'deepseek',
  account: bearerAccount,
  read(json): Call | VendorError {
    const body = readChatBody(json, MAX_NAME_LENGTH);
    if (isVendorError(body)) return body;
    const thinking = deepseekThinks(body);
    const limit = tokenLimit(json, ['max_tokens']);
    if (typeof limit !== 'number') return limit;
    const refusal = deepseekRefusal(body, thinking, limit);
    if (refusal !== null) return refusal;
    const conversation = conversationOf(body, { maxOutputTokens: limit, thinking });
    if (isVendorError(conversation)) return conversation;
    return {
      conversation,
      render: (writer, answer, account) => renderDeepseek(writer, body, { account, thinking, answer }),
    };
  },
  answer: (frame) => new DeepseekWriter(frame),
  answerId: uuidOf,
  keepAlive: KEEP_ALIVE_COMMENT,
  errorEvent: (error) => dataEvent(JSON.stringify(errorObject(error))),
  errorBody: (error) => JSON.stringify(errorObject(error)),
  headers: (id) => `x-ds-trace-id: ${id}${id}\r\n`,
};
