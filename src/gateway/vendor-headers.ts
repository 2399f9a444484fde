import type { HeaderFields } from '../http1/fields.ts';
import type { DialectId } from '../providers/types.ts';

/** The version that is sent where the client names none, and for converted requests: it takes every parameter there is. */
const ANTHROPIC_VERSION = '2023-06-01';
export const DEFAULT_ANTHROPIC_VERSION = `anthropic-version: ${ANTHROPIC_VERSION}\r\n`;

/** A version is a date, betas are a list of tokens; what else a client sends there does not go out. */
const VERSION = /^[\w.-]{1,64}$/;
const BETA = /^[\w.-]+$/;
const MAX_BETA_CHARACTERS = 4_096;

/**
 * Headers of a client that carry meaning for a vendor of its own dialect, as field lines in one canonical form: they go out
 * with the call and count for the identity of the request. '' for a dialect that has none.
 */
export function meaningOf(fields: HeaderFields, dialect: DialectId): string {
  if (dialect === 'openai-chat') return '';
  const version = fields.get('anthropic-version');
  const lines =
    version === null || version === ANTHROPIC_VERSION || !VERSION.test(version)
      ? DEFAULT_ANTHROPIC_VERSION
      : `anthropic-version: ${version}\r\n`;
  const told = fields.all('anthropic-beta').join(',');
  if (told === '' || told.length > MAX_BETA_CHARACTERS) return lines;
  // One that is empty (a comma too many) or no token takes none of the others with it.
  const betas = told.split(',').map((beta) => beta.trim());
  const sent = betas.filter((beta) => BETA.test(beta)).join(',');
  return sent === '' ? lines : `${lines}anthropic-beta: ${sent}\r\n`;
}

/** Where the vendors of a dialect tell of their limits, and under which name they know the call. */
export interface ToldHeaders {
  /** Stands in every answer that tells of limits at all. */
  readonly firstLimit: string;
  readonly limits: readonly string[];
  readonly requestId: string;
}

const FIGURES = ['limit', 'remaining', 'reset'] as const;

/** OpenAI guide "Rate limits", Anthropic API overview, "Rate limits": response headers. */
export const TOLD_HEADERS: Readonly<Record<DialectId, ToldHeaders>> = {
  'openai-chat': {
    firstLimit: 'x-ratelimit-limit-requests',
    limits: FIGURES.flatMap((figure) =>
      ['requests', 'tokens'].map((what) => `x-ratelimit-${figure}-${what}`),
    ),
    requestId: 'x-request-id',
  },
  'anthropic-messages': {
    firstLimit: 'anthropic-ratelimit-requests-limit',
    limits: ['requests', 'tokens', 'input-tokens', 'output-tokens'].flatMap((what) =>
      FIGURES.map((figure) => `anthropic-ratelimit-${what}-${figure}`),
    ),
    requestId: 'request-id',
  },
};

/** When to come back, in the words of both vendors' SDKs. */
export const RETRY_HINTS = ['retry-after', 'retry-after-ms', 'x-should-retry'] as const;
