import { ERRORS, type ErrorCode, type ErrorSpec } from './catalogue.ts';

/** Where a fault lies in the request, and how long to wait: optional facts beside the code. */
export interface ErrorDetail {
  /** JSON path of the offending field, e.g. `messages[2].role`. */
  readonly param?: string | undefined;
  readonly retryAfterS?: number | undefined;
  readonly cause?: unknown;
}

/** A failure from the catalogue with a message for the client. Anything else that is thrown is a defect. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly retryAfterS: number | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.param = detail.param;
    this.retryAfterS = detail.retryAfterS;
  }

  get spec(): ErrorSpec {
    return ERRORS[this.code];
  }
}
