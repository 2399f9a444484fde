import type { HeaderFields } from '../http1/fields.ts';
import { fieldLine } from '../http1/fields.ts';
import type { Incoming } from '../server/incoming.ts';

/** What only operators, their tools and probes ask for: no page has business there. */
const CLOSED = /^\/+(?:admin|metrics|ui|health)(?:\/|$)/i;
/** A list of field names (RFC 9110 §5.1), as browsers write it. */
const FIELD_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/;
const METHODS = 'GET, POST, HEAD';
const MAX_AGE_S = 86_400;

/**
 * What a page in a browser may see of an answer (Fetch Standard, "CORS protocol"): everything that clients get, refusals as
 * well, but never with the browser's own credentials. Requests without `Origin` cost one look-up of a field.
 */
export class Cors {
  /** null: every origin. */
  readonly #origins: ReadonlySet<string> | null;

  /** @param origins as pages send them (`https://app.example`), or `*` among them for all */
  constructor(origins: readonly string[]) {
    this.#origins = origins.includes('*') ? null : new Set(origins);
  }

  /** Prepares the answer to a request of a page's. True: it was a preflight, and has been answered. */
  admit(request: Incoming): boolean {
    const { fields } = request;
    const origin = fields.get('origin');
    if (origin === null || CLOSED.test(request.path)) return false;
    const allowed = this.#origins === null ? '*' : this.#origins.has(origin) ? origin : null;
    // Behind a cache an answer to one origin must not be another's.
    const vary = this.#origins === null ? '' : fieldLine('vary', 'Origin');
    if (allowed === null) {
      request.extraFields = vary;
      return false;
    }
    const allow = fieldLine('access-control-allow-origin', allowed) + vary;
    if (request.method === 'OPTIONS' && fields.get('access-control-request-method') !== null) {
      request.send(200, allow + preflightFields(fields), '');
      return true;
    }
    // `*` stands for all but Authorization here; that is no field of answers.
    request.extraFields = `${allow}access-control-expose-headers: *\r\n`;
    return false;
  }
}

/** `*` would not cover `Authorization`: the names asked for are repeated. */
function preflightFields(fields: HeaderFields): string {
  const asked = fields.get('access-control-request-headers');
  return (
    fieldLine('access-control-allow-methods', METHODS) +
    (asked !== null && FIELD_NAMES.test(asked) ? fieldLine('access-control-allow-headers', asked) : '') +
    fieldLine('access-control-max-age', String(MAX_AGE_S)) +
    fieldLine('vary', 'Access-Control-Request-Headers')
  );
}
