import type { Answer, ToolCall } from '../answers.ts';
import type { Usage } from '../bill.ts';
import type { Step } from '../steps.ts';
import { isVendorError, type VendorError } from '../vendor-error.ts';
import { bearerAccount, conversationOf, readChatBody, tokenLimit } from './chat-body.ts';
import { renderOpenai } from './openai-render.ts';
import { hasBoundaryCache, openaiRefusal, outputLimitRefusal } from './openai-rules.ts';
import { dataEvent, DONE_EVENT, KEEP_ALIVE_COMMENT, namedEvent } from './sse.ts';
import type { AnswerFrame, AnswerWriter, Call, Dialect } from './types.ts';

/** Constant, so that the same request gets the same bytes. */
const CREATED = 1_700_000_000;
const FINGERPRINT = 'fp_simulated';
const MAX_NAME_LENGTH = 64;
const OBFUSCATION = 'Zq7LmX2vKpT9aRwY';

function usageOf(usage: Usage, model: string): object {
  const written = hasBoundaryCache(model) ? { cache_write_tokens: usage.written } : {};
  return {
    prompt_tokens: usage.prompt,
    completion_tokens: usage.output,
    total_tokens: usage.prompt + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cached, ...written, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

const answerId = (id: string): string => `chatcmpl-${id}`;

const callHead = (call: ToolCall): { id: string; type: 'function' } => ({
  id: `call_${call.id}`,
  type: 'function',
});

function messageOf(answer: Answer): object {
  const calls = answer.toolCalls.map((call) => ({
    ...callHead(call),
    function: { name: call.name, arguments: call.arguments.text },
  }));
  return {
    role: 'assistant',
    content: answer.content?.text ?? null,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    refusal: null,
    annotations: [],
  };
}

function deltaOf(step: Step): object {
  switch (step.kind) {
    case 'start':
      return { role: 'assistant', content: step.answer.content === null ? null : '', refusal: null };
    case 'text':
      return { content: step.text };
    case 'call': {
      const { index, call } = step;
      return { tool_calls: [{ index, ...callHead(call), function: { name: call.name, arguments: '' } }] };
    }
    case 'arguments':
      return { tool_calls: [{ index: step.index, function: { arguments: step.text } }] };
    case 'reasoning':
    case 'finish':
      return {};
    default:
      return step satisfies never;
  }
}

/** Chat Completions as OpenAI writes it (API reference; stream details as recorded in autumn 2026). */
class OpenaiWriter implements AnswerWriter {
  readonly #frame: AnswerFrame;
  /** What all events begin with, up to the choices. */
  readonly #head: string;
  /** What follows the choices in all events but the one with the usage. */
  readonly #tail: string;

  constructor(frame: AnswerFrame) {
    this.#frame = frame;
    const { id, model, conversation } = frame;
    const common = `"created":${CREATED},"model":${JSON.stringify(model)},"service_tier":"default","system_fingerprint":"${FINGERPRINT}"`;
    this.#head = `{"id":"${answerId(id)}","object":"chat.completion.chunk",${common},"choices":[`;
    this.#tail = `]${conversation.streamUsage ? ',"usage":null' : ''}`;
  }

  whole(answers: readonly Answer[]): string {
    const { id, model, usage } = this.#frame;
    return JSON.stringify({
      id: answerId(id),
      object: 'chat.completion',
      created: CREATED,
      model,
      choices: answers.map((answer, index) => ({
        index,
        message: messageOf(answer),
        logprobs: null,
        finish_reason: answer.finish,
      })),
      usage: usageOf(usage, model),
      service_tier: 'default',
      system_fingerprint: FINGERPRINT,
    });
  }

  event(step: Step): string {
    const finish = step.kind === 'finish' ? `"${step.answer.finish}"` : 'null';
    const choice = `{"index":${step.choice},"delta":${JSON.stringify(deltaOf(step))},"logprobs":null,"finish_reason":${finish}}`;
    return dataEvent(`${this.#head}${choice}${this.#tail}${this.#padding(step)}}`);
  }

  ending(): string {
    const { usage, model, conversation } = this.#frame;
    if (!conversation.streamUsage) return DONE_EVENT;
    return `${dataEvent(`${this.#head}],"usage":${JSON.stringify(usageOf(usage, model))}}`)}${DONE_EVENT}`;
  }

  /** Makes the length of an event tell nothing about its text. */
  #padding(step: Step): string {
    if (!this.#frame.conversation.obfuscation) return '';
    const length = 'text' in step ? step.text.length % OBFUSCATION.length : 0;
    return `,"obfuscation":"${OBFUSCATION.slice(length)}"`;
  }
}

/** Error types and codes by status. */
const KINDS: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  401: ['invalid_request_error', 'invalid_api_key'],
  404: ['invalid_request_error', 'model_not_found'],
  429: ['requests', 'rate_limit_exceeded'],
  500: ['server_error', null],
  502: ['server_error', null],
  503: ['server_error', 'server_is_overloaded'],
  504: ['server_error', null],
};

function errorObject(error: VendorError): { error: object } {
  const [type, code] = KINDS[error.status] ?? ['invalid_request_error', null];
  return { error: { message: error.message, type, param: error.param, code: error.code ?? code } };
}

export const openaiDialect: Dialect = {
  name: 'openai',
  account: bearerAccount,
  read(json): Call | VendorError {
    const body = readChatBody(json, MAX_NAME_LENGTH);
    if (isVendorError(body)) return body;
    const refusal = openaiRefusal(body);
    if (refusal !== null) return refusal;
    const limit = tokenLimit(json, ['max_completion_tokens', 'max_tokens']);
    if (typeof limit !== 'number') return limit;
    const tooLarge = outputLimitRefusal(body.model, limit);
    if (tooLarge !== null) return tooLarge;
    const conversation = conversationOf(body, { maxOutputTokens: limit, thinking: false });
    if (isVendorError(conversation)) return conversation;
    return { conversation, render: (writer, _answer, account) => renderOpenai(writer, body, account) };
  },
  answer: (frame) => new OpenaiWriter(frame),
  answerId,
  keepAlive: KEEP_ALIVE_COMMENT,
  errorEvent: (error) => namedEvent('error', JSON.stringify(errorObject(error))),
  errorBody: (error) => JSON.stringify(errorObject(error)),
  headers: (id, processingMs) =>
    `x-request-id: req_${id}\r\nopenai-processing-ms: ${Math.round(processingMs)}\r\nopenai-version: 2020-10-01\r\n`,
};
