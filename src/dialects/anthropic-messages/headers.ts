import type { HeaderFields } from '../../http1/fields.ts';
import type { DialectHeaders } from '../types.ts';

/** The version that is sent where the client names none, and for converted requests: it takes every parameter there is. */
const ANTHROPIC_VERSION = '2023-06-01';
const DEFAULT_VERSION_LINE = `anthropic-version: ${ANTHROPIC_VERSION}\r\n`;

/** A version is a date, betas are a list of tokens; what else a client sends there does not go out. */
const VERSION = /^[\w.-]{1,64}$/;
const BETA = /^[\w.-]+$/;
const MAX_BETA_CHARACTERS = 4_096;

function forwardedOf(fields: HeaderFields): string {
  const version = fields.get('anthropic-version');
  const lines =
    version === null || version === ANTHROPIC_VERSION || !VERSION.test(version)
      ? DEFAULT_VERSION_LINE
      : `anthropic-version: ${version}\r\n`;
  const told = fields.all('anthropic-beta').join(',');
  if (told === '' || told.length > MAX_BETA_CHARACTERS) return lines;
  // One that is empty (a comma too many) or no token takes none of the others with it.
  const betas = told.split(',').map((beta) => beta.trim());
  const sent = betas.filter((beta) => BETA.test(beta)).join(',');
  return sent === '' ? lines : `${lines}anthropic-beta: ${sent}\r\n`;
}

/** Anthropic API overview; "Rate limits", "Response headers". */
export const anthropicHeaders: DialectHeaders = {
  forwardedOf,
  defaults: DEFAULT_VERSION_LINE,
  told: {
    firstLimit: 'anthropic-ratelimit-requests-limit',
    limits: ['requests', 'tokens', 'input-tokens', 'output-tokens'].flatMap((what) =>
      ['limit', 'remaining', 'reset'].map((figure) => `anthropic-ratelimit-${what}-${figure}`),
    ),
    requestId: 'request-id',
  },
  requestIdLine: (requestId) => `request-id: ${requestId}\r\n`,
};
