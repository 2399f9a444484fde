/** A failure that a vendor told under a status of success. */
export interface ToldFailure {
  /** What the vendor should have answered with: 400–599. */
  readonly status: number;
  /** What it says; null where it says nothing that can be told. */
  readonly message: string | null;
  /**
   * `typed`: `{"type":"error","error":…}`, as Messages clients look for it. `plain`: `{"error":…}`, as Chat Completions
   * clients do. `bare`: without either.
   */
  readonly form: 'typed' | 'plain' | 'bare';
}

/** What the vendors' own codes and types stand for (OpenAI guide "Error codes"; Anthropic docs, "Errors"). */
const STATUSES: ReadonlyMap<string, number> = new Map(
  Object.entries({
    invalid_request_error: 400,
    context_length_exceeded: 400,
    unsupported_parameter: 400,
    badrequesterror: 400,
    invalid_api_key: 401,
    authentication_error: 401,
    authenticationerror: 401,
    billing_error: 402,
    permission_error: 403,
    permission_denied: 403,
    permissiondeniederror: 403,
    not_found_error: 404,
    model_not_found: 404,
    notfounderror: 404,
    request_too_large: 413,
    insufficient_quota: 429,
    rate_limit_error: 429,
    rate_limit_exceeded: 429,
    ratelimiterror: 429,
    resource_exhausted: 429,
    api_error: 500,
    server_error: 500,
    internal_server_error: 500,
    internalservererror: 500,
    server_is_overloaded: 503,
    slow_down: 503,
    unavailable: 503,
    timeout_error: 504,
    overloaded_error: 529,
  }),
);
/** Without a word of what it was: the vendor's fault. */
const UNKNOWN = 502;
export const UNKNOWN_FAILURE: ToldFailure = { status: UNKNOWN, message: null, form: 'typed' };

type ErrorMembers = Readonly<Record<string, unknown>>;

const isMembers = (value: unknown): value is ErrorMembers =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Null, false, nothing and 0 are how servers say that there was none. */
const isTold = (value: unknown): boolean => Boolean(value);

/**
 * The failure that an object tells; null for one that tells none. Servers have `error`, an object or a text, or, where they
 * forgot their dialect, the error bare (vLLM, SGLang: `object`), as `detail` alone (FastAPI), or a message with a code.
 */
export function failureIn(value: unknown): ToldFailure | null {
  if (!isMembers(value)) return null;
  const { error } = value;
  if (isTold(error)) {
    const inner = isMembers(error) ? error : {};
    return {
      status: statusOf(inner) ?? statusOf(value) ?? UNKNOWN,
      message: textOf(inner['message']) ?? textOf(error) ?? textOf(value['message']),
      form: value['type'] === 'error' ? 'typed' : 'plain',
    };
  }
  if (!isBare(value)) return null;
  const message = textOf(value['message']) ?? textOf(value['detail']) ?? textOf(value['msg']);
  return { status: statusOf(value) ?? UNKNOWN, message, form: 'bare' };
}

function isBare(value: ErrorMembers): boolean {
  if (value['object'] === 'error' || value['type'] === 'error') return true;
  if (isTold(value['detail']) && Object.keys(value).length === 1) return true;
  const says = typeof value['message'] === 'string' || typeof value['msg'] === 'string';
  return says && ['code', 'status', 'status_code', 'error_code'].some((name) => isTold(value[name]));
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** By a number in the place of a code or status, else by the name of one. */
function statusOf(error: ErrorMembers): number | null {
  const names = ['code', 'status', 'status_code', 'http_code', 'error_code'];
  for (const name of names) {
    const told = error[name];
    // Anything else may be an object whose `toString` is no function.
    const number = typeof told === 'string' || typeof told === 'number' ? Number(told) : Number.NaN;
    if (Number.isInteger(number) && number >= 400 && number <= 599) return number;
  }
  for (const name of [...names, 'type']) {
    const word = error[name];
    const status = typeof word === 'string' ? STATUSES.get(word.toLowerCase()) : undefined;
    if (status !== undefined) return status;
  }
  return null;
}

/** Errors are short. What is longer, and has an answer beside its error, is an answer. */
const MAX_ERROR_BYTES = 1024 * 1024;

/** An error's text as it was parsed; undefined for what is no JSON, or too long to be one. */
export function parsedError(bytes: Buffer, start: number, end: number): unknown {
  if (end - start > MAX_ERROR_BYTES) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8', start, end));
  } catch {
    return undefined;
  }
}
