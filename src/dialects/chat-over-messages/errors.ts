import { JsonDocument } from '../../std/json/document.ts';
import { typeOfStatus } from '../anthropic-messages/errors.ts';
import type { ConvertedError } from '../conversion.ts';
import { memberOf, readBody, sourceOf, textOf, toldText } from '../raw-text.ts';

/** How an Anthropic error is told to an OpenAI client. */
interface Shape {
  /** HTTP status; 0: the vendor's own. */
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
}

const CREDENTIALS: Shape = { status: 502, type: 'server_error', code: 'upstream_credentials' };
const QUOTA: Shape = { status: 429, type: 'insufficient_quota', code: 'insufficient_quota' };
const SERVER: Shape = { status: 0, type: 'server_error', code: null };
const INVALID: Shape = { status: 0, type: 'invalid_request_error', code: null };
const OVERFLOW: Shape = { ...INVALID, code: 'context_length_exceeded' };

/** Types from Anthropic docs, "Errors"; codes from OpenAI's guide "Error codes". */
const SHAPES: ReadonlyMap<string, Shape> = new Map(
  Object.entries({
    invalid_request_error: INVALID,
    // The key is the gateway's own, and so is the fault: a 401 would send the client looking for it in its own.
    authentication_error: CREDENTIALS,
    billing_error: QUOTA,
    permission_error: { status: 403, type: 'permission_error', code: null },
    not_found_error: { status: 404, type: 'invalid_request_error', code: 'model_not_found' },
    conflict_error: { status: 409, type: 'invalid_request_error', code: null },
    request_too_large: { status: 413, type: 'invalid_request_error', code: null },
    rate_limit_error: { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' },
    api_error: SERVER,
    timeout_error: { status: 504, type: 'server_error', code: null },
    overloaded_error: { status: 503, type: 'server_error', code: 'server_is_overloaded' },
  }),
);

/** How the vendor words a prompt that does not fit; it has no code for it. */
const OVERFLOWS = /prompt is too long|exceeds? (the )?(maximum )?context (limit|window|length)/i;
/** Spending limits come as 400 (Anthropic docs, "Errors"), and so did a balance that is used up before there was a 402. */
const USED_UP =
  /^(You have reached your specified (workspace )?API usage limits|Your credit balance is too low)/;
const USED_UP_CODE = /_spend_limit_reached$/;

const document = new JsonDocument('last');

function shapeOf(type: string, message: string, code = ''): Shape {
  const shape = SHAPES.get(type) ?? SERVER;
  if (USED_UP_CODE.test(code)) return QUOTA;
  if (shape !== INVALID) return shape;
  if (OVERFLOWS.test(message)) return OVERFLOW;
  return USED_UP.test(message) ? QUOTA : INVALID;
}

/** All but the shape is JSON source. `code` is the vendor's own: it is told where the shape has none. */
function errorText(shape: Shape, message: string, code: string | null, requestId: string | null): string {
  // The vendor's words about the gateway's key may quote it: they stay here.
  const told =
    shape === CREDENTIALS ? `"The vendor refused the gateway's own credentials or balance."` : message;
  const known = shape.code === null ? (code ?? 'null') : `"${shape.code}"`;
  const id = requestId === null ? '' : `,"request_id":${requestId}`;
  return `{"error":{"message":${told},"type":"${shape.type}","param":null,"code":${known}}${id}}`;
}

/** The error that a parsed body or event tells; `fallbackType` is for one without a known type. */
function toldError(record: JsonDocument, fallbackType: string): { shape: Shape; text: string } {
  const error = memberOf(record, 0, 'error');
  const message = memberOf(record, error, 'message');
  const code = memberOf(record, memberOf(record, error, 'details'), 'error_code');
  const type = textOf(record, memberOf(record, error, 'type')) ?? '';
  const shape = shapeOf(
    SHAPES.has(type) ? type : fallbackType,
    textOf(record, message) ?? '',
    textOf(record, code) ?? '',
  );
  // Servers that are only compatible have a text in its place.
  const said = sourceOf(record, message) ?? sourceOf(record, error);
  const text = errorText(
    shape,
    said ?? '"The vendor failed without saying why."',
    sourceOf(record, code),
    sourceOf(record, memberOf(record, 0, 'request_id')),
  );
  return { shape, text };
}

/** The vendor's own status where the shape leaves it: OpenAI has no 422 for requests. */
function statusFor(shape: Shape, status: number): number {
  if (shape.status !== 0) return shape.status;
  if (shape.type === SERVER.type) return status >= 500 ? status : 500;
  return status >= 400 && status < 500 && status !== 422 ? status : 400;
}

/**
 * A vendor's refusal for an OpenAI client. The type decides, the status only where there is none; the vendor's message
 * and request id are kept.
 */
export function chatError(status: number, answer: Uint8Array): ConvertedError {
  const fallbackType = typeOfStatus(status);
  if (readBody(document, answer) && memberOf(document, 0, 'error') >= 0) {
    const { shape, text } = toldError(document, fallbackType);
    document.release();
    return { status: statusFor(shape, status), body: Buffer.from(text) };
  }
  document.release();
  const message = toldText(status, answer);
  const shape = shapeOf(fallbackType, message);
  return {
    status: statusFor(shape, status),
    body: Buffer.from(errorText(shape, JSON.stringify(message), null, null)),
  };
}

/** The record for an `error` event, which has been parsed into `record`. Nothing follows it, no `[DONE]` either. */
export const chatErrorRecord = (record: JsonDocument): string =>
  `data: ${toldError(record, 'api_error').text}\n\n`;
