const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  508: 'Loop Detected',
  529: 'Overloaded',
};

/** How the end of an answer's body is told (RFC 9112 §6): its length in bytes, in chunks, or by closing. */
export type Framing = number | 'chunked' | 'close';

const OK = 'HTTP/1.1 200 OK\r\n';

let date = '';
let dateAtS = -1;

/** Makes the Date field say this time; called often enough that it is never off by more than a second. */
export function setDate(wallClockMs: number): void {
  const atS = Math.floor(wallClockMs / 1_000);
  if (atS === dateAtS) return;
  dateAtS = atS;
  date = `date: ${new Date(atS * 1_000).toUTCString()}\r\n`;
}

/**
 * Everything before an answer's body. `fields` are whole lines with their line ends ({@link fieldLine}); those that belong
 * to the connection are added here.
 */
export function replyHead(
  status: number,
  fields: string,
  framing: Framing,
  keepAlive: boolean,
  http10: boolean,
): string {
  const statusLine = status === 200 ? OK : `HTTP/1.1 ${status} ${REASONS[status] ?? 'Status'}\r\n`;
  const connection = keepAlive ? (http10 ? 'connection: keep-alive\r\n' : '') : 'connection: close\r\n';
  const length =
    framing === 'chunked'
      ? 'transfer-encoding: chunked\r\n'
      : framing === 'close'
        ? ''
        : `content-length: ${framing}\r\n`;
  return `${statusLine}${fields}${date}${connection}${length}\r\n`;
}
