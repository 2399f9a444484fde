/** A request head that was read and found sound (RFC 9112 §3, §5, §6). */
export interface RequestHead {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Names in lower case; repeated fields joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** Body length in bytes; meaningless when `chunked`. */
  readonly contentLength: number;
  readonly chunked: boolean;
  readonly keepAlive: boolean;
  readonly expectsContinue: boolean;
  /** Some header is an `x-sim-…` one: spares everybody else the look-ups. */
  readonly hasDirectives: boolean;
}

/** Why a request cannot be read; the connection closes after the answer. */
export interface HeadError {
  readonly status: number;
  readonly reason: string;
}

/** RFC 9110 §5.6.2 `tchar`. */
const TOKEN_CHARACTERS = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN_CHARACTERS[character.charCodeAt(0)] = 1;
}

const COLON = 58;
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]{1,8192}) (HTTP\/\d\.\d)$/;
const DIGITS = /^\d{1,15}$/;

const bad = (reason: string): HeadError => ({ status: 400, reason });

export const isHeadError = (value: RequestHead | HeadError): value is HeadError => 'reason' in value;

/** Target of the request line → path; the absolute form is accepted (RFC 9112 §3.2.2). */
function pathOf(target: string): string | null {
  let path = target;
  if (!path.startsWith('/')) {
    const match = /^https?:\/\/[^/?#]+(\/[^?#]*)?/i.exec(target);
    if (match === null) return null;
    path = match[1] ?? '/';
  }
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}

/** Adds one `name: value` line; a reason when it is malformed. */
function readField(line: string, headers: Map<string, string>): string | null {
  let colon = 0;
  let code = line.charCodeAt(0);
  while (code !== COLON) {
    if (TOKEN_CHARACTERS[code] !== 1) return 'malformed header name';
    code = line.charCodeAt(++colon);
    if (colon >= line.length) return 'header without a colon';
  }
  if (colon === 0) return 'empty header name';
  for (let index = colon + 1; index < line.length; index++) {
    const value = line.charCodeAt(index);
    if ((value < 32 && value !== 9) || value === 127) return 'control character in a header value';
  }
  const name = line.slice(0, colon).toLowerCase();
  const value = line.slice(colon + 1).trim();
  const earlier = headers.get(name);
  if (earlier === undefined) headers.set(name, value);
  else if (name === 'host') return 'more than one host header';
  else if (name === 'content-length' && earlier !== value) return 'conflicting content-length headers';
  else if (name !== 'content-length') headers.set(name, `${earlier}, ${value}`);
  return null;
}

/** `text`: the head in Latin-1, without the empty line that ends it. */
export function parseHead(text: string): RequestHead | HeadError {
  const lines = text.split('\r\n');
  const request = REQUEST_LINE.exec(lines[0] ?? '');
  if (request === null) return bad('malformed request line');
  const [, method = '', target = '', version] = request;
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0')
    return { status: 505, reason: 'only HTTP/1.1 is spoken' };
  const path = pathOf(target);
  if (path === null) return bad('malformed request target');

  const headers = new Map<string, string>();
  let hasDirectives = false;
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index] ?? '';
    const reason = readField(line, headers);
    if (reason !== null) return bad(reason);
    if (line.charCodeAt(1) === 45 && line.slice(0, 6).toLowerCase() === 'x-sim-') hasDirectives = true;
  }
  if (version === 'HTTP/1.1' && !headers.has('host')) return bad('missing host header');

  const length = headers.get('content-length');
  const encoding = headers.get('transfer-encoding');
  if (length !== undefined && !DIGITS.test(length)) return bad('malformed content-length');
  if (encoding !== undefined) {
    // Both framings at once is how requests are smuggled (RFC 9112 §6.3); a 1.0 client cannot mean it.
    if (length !== undefined) return bad('content-length beside transfer-encoding');
    if (version === 'HTTP/1.0') return bad('transfer-encoding in HTTP/1.0');
    if (encoding.toLowerCase() !== 'chunked') return { status: 501, reason: 'unknown transfer-encoding' };
  }
  const connection = headers.get('connection')?.toLowerCase();
  return {
    method,
    path,
    headers,
    contentLength: length === undefined ? 0 : Number(length),
    chunked: encoding !== undefined,
    keepAlive: version === 'HTTP/1.1' ? connection !== 'close' : connection === 'keep-alive',
    expectsContinue: headers.get('expect')?.toLowerCase() === '100-continue',
    hasDirectives,
  };
}
