/** A request head in parts. */
export interface RequestParts {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Names as written, values without the white space around them. */
  readonly fields: [string, string][];
}

/** Takes apart a head that the gateway itself has written: request line, fields, blank line, all ended by CRLF. */
export function parseRequestHead(head: string): RequestParts {
  const [requestLine = '', ...lines] = head.split('\r\n');
  const [method = '', target = ''] = requestLine.split(' ');
  const fields: [string, string][] = [];
  for (const line of lines) {
    if (line === '') break;
    const colon = line.indexOf(':');
    fields.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
  }
  return { method, target, fields };
}
