import type { GatewayError } from './gateway-error.ts';

/** Chat Completions' error shape (OpenAI guide "Error codes"). */
export interface OpenAiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

export function openAiErrorBody(error: GatewayError): OpenAiErrorBody {
  return {
    error: { message: error.message, type: error.spec.type, param: error.param ?? null, code: error.code },
  };
}
