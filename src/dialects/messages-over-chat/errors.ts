import { JsonDocument, Kind } from '../../std/json/document.ts';
import { errorRecord, errorText, typeOfStatus } from '../anthropic-messages/errors.ts';
import type { ConvertedError } from '../conversion.ts';
import { indexOf, memberOf, readBody, sourceOf, textOf, toldText } from '../raw-text.ts';

/** How the error of an OpenAI-dialect vendor is told to an Anthropic client. Type, and HTTP status; 0: the vendor's own. */
interface Shape {
  readonly type: string;
  readonly status: number;
}

const BILLING: Shape = { type: 'billing_error', status: 402 };
const OVERLOADED: Shape = { type: 'overloaded_error', status: 529 };
const RATE: Shape = { type: 'rate_limit_error', status: 429 };
const NOT_FOUND: Shape = { type: 'not_found_error', status: 404 };
// The key is the gateway's own, and so is the fault: a 401 would send the client looking for it in its own.
const CREDENTIALS: Shape = { type: 'api_error', status: 502 };

/** Codes and types of OpenAI (guide "Error codes") and DeepSeek that say more than the status; codes go first. */
const SHAPES: ReadonlyMap<string, Shape> = new Map(
  Object.entries({
    insufficient_quota: BILLING,
    credit_balance_exhausted: BILLING,
    billing_hard_limit_reached: BILLING,
    invalid_api_key: CREDENTIALS,
    authentication_error: CREDENTIALS,
    rate_limit_exceeded: RATE,
    rate_limit_error: RATE,
    server_is_overloaded: OVERLOADED,
    slow_down: OVERLOADED,
    overloaded_error: OVERLOADED,
    model_not_found: NOT_FOUND,
    context_length_exceeded: { type: 'invalid_request_error', status: 0 },
  }),
);

const document = new JsonDocument('last');

function shapeOfStatus(status: number): Shape {
  switch (status) {
    case 401:
      return CREDENTIALS;
    case 402:
      return BILLING;
    case 503:
    case 529:
      return OVERLOADED;
    default:
      return { type: typeOfStatus(status), status: 0 };
  }
}

/**
 * What the error in `object` says. OpenAI has `{error: {…}}`; servers that are only compatible send the error bare, or as
 * `detail` or a string.
 */
function messageSource(record: JsonDocument, object: number): string | null {
  const error = memberOf(record, object, 'error');
  return (
    sourceOf(record, memberOf(record, error, 'message')) ??
    sourceOf(record, error) ??
    sourceOf(record, memberOf(record, object, 'message')) ??
    sourceOf(record, memberOf(record, object, 'detail'))
  );
}

/** The error that a parsed body or event tells; an event has no status (0), but OpenRouter's code is one. */
function toldError(record: JsonDocument, object: number, status: number): { shape: Shape; text: string } {
  const inner = memberOf(record, object, 'error');
  const error = inner >= 0 && record.kind(inner) === Kind.Object ? inner : object;
  const code = memberOf(record, error, 'code');
  const type = textOf(record, memberOf(record, error, 'type')) ?? '';
  const shape =
    SHAPES.get(textOf(record, code) ?? '') ??
    SHAPES.get(type) ??
    shapeOfStatus(status > 0 ? status : statusOfEvent(indexOf(record, code), type));
  const message = messageSource(record, object) ?? '"The vendor failed without saying why."';
  return { shape, text: shapeText(shape, message, sourceOf(record, code)) };
}

function statusOfEvent(code: number, type: string): number {
  if (code >= 400 && code < 600) return code;
  return type === 'invalid_request_error' ? 400 : 500;
}

/** `message` and the vendor's own `code` are JSON source. */
function shapeText(shape: Shape, message: string, code: string | null): string {
  // The vendor's words about the gateway's key may quote it: they stay here.
  if (shape !== CREDENTIALS) return errorText({ type: shape.type, message, code });
  return errorText({
    type: shape.type,
    message: `"The vendor refused the gateway's own credentials or balance."`,
    code: '"upstream_credentials"',
  });
}

/** The vendor's own status where the shape leaves it: Anthropic has no 422. */
function statusFor(shape: Shape, status: number): number {
  if (shape.status !== 0) return shape.status;
  return status < 400 || status === 422 ? 400 : status;
}

/**
 * A vendor's refusal for an Anthropic client. Code and type decide where they are known, else the status. The vendor's
 * message is kept, as it is what tells a prompt that is too long: Anthropic has no code for that.
 */
export function messagesError(status: number, answer: Uint8Array): ConvertedError {
  if (readBody(document, answer) && messageSource(document, 0) !== null) {
    const { shape, text } = toldError(document, 0, status);
    document.release();
    return { status: statusFor(shape, status), body: Buffer.from(text) };
  }
  document.release();
  const shape = shapeOfStatus(status);
  const message = JSON.stringify(toldText(status, answer));
  return { status: statusFor(shape, status), body: Buffer.from(shapeText(shape, message, null)) };
}

/**
 * The record for an event that tells an error: it has been parsed into `record`, and the error is a member of `object`.
 * Nothing follows it, no `message_stop` either.
 */
export const messagesErrorRecord = (record: JsonDocument, object: number): string =>
  errorRecord(toldError(record, object, 0).text);

/** The record for an answer that its vendor broke off without an error of its own. */
export const brokenRecord = (broken: 'overloaded' | 'failed', reason: string): string =>
  errorRecord(
    errorText({
      type: broken === 'overloaded' ? 'overloaded_error' : 'api_error',
      message: JSON.stringify(`The vendor broke off its answer: ${reason}.`),
      code: '"upstream_closed"',
    }),
  );
