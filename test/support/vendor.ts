import { createServer, type AddressInfo, type Socket } from 'node:net';

/** A request as it came over the wire. */
export interface VendorRequest {
  readonly target: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Bytes to send back; of several pieces each goes in a write of its own. */
type VendorAnswer = string | Uint8Array | readonly Uint8Array[];

/** What a vendor does with a request: bytes to send back, or whatever it likes with the socket. */
export type VendorScript = (request: VendorRequest, socket: Socket) => VendorAnswer | null;

/** A vendor by script, to the byte: answers that no well-behaved server would give, and a record of what it was sent. */
export interface Vendor extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly VendorRequest[];
  script: VendorScript;
}

export function httpAnswer(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const bytes = Buffer.from(body);
  return `HTTP/1.1 ${status} Whatever\r\n${fields.join('')}content-length: ${bytes.length}\r\n\r\n${bytes.toString('latin1')}`;
}

/** A whole Chat Completions answer. */
export const completion = (content = 'hello', usage: object | null = USAGE): string =>
  httpAnswer(
    200,
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      ...(usage === null ? {} : { usage }),
    }),
  );

export const USAGE = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 };

export const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';

export function chunk(text: string): string {
  const bytes = Buffer.from(text);
  return `${bytes.length.toString(16)}\r\n${bytes.toString('latin1')}\r\n`;
}

/** One event of a Chat Completions stream. */
export const delta = (content: string, finish: string | null = null): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta: { content }, finish_reason: finish }],
  })}\n\n`;

export const STREAM_END = `${chunk(`${delta('', 'stop')}data: [DONE]\n\n`)}0\r\n\r\n`;

function parse(text: Buffer): { request: VendorRequest; size: number } | null {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const [requestLine = '', ...lines] = text.toString('latin1', 0, headEnd).split('\r\n');
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const size = headEnd + 4 + Number(headers.get('content-length') ?? 0);
  if (text.length < size) return null;
  const body = Buffer.from(text.subarray(headEnd + 4, size));
  return { request: { target: requestLine.split(' ')[1] ?? '', headers, body }, size };
}

async function send(socket: Socket, answer: VendorAnswer): Promise<void> {
  if (typeof answer === 'string' || answer instanceof Uint8Array) {
    socket.write(typeof answer === 'string' ? Buffer.from(answer, 'latin1') : answer);
    return;
  }
  socket.setNoDelay(true);
  for (const piece of answer) {
    if (socket.destroyed) return;
    await new Promise<void>((resolve) => {
      socket.once('close', resolve);
      socket.write(piece, () => {
        socket.off('close', resolve);
        // A turn of the loop behind each, so that the other side may read it alone.
        setImmediate(resolve);
      });
    });
  }
}

export async function startVendor(script: VendorScript): Promise<Vendor> {
  const requests: VendorRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let text = Buffer.alloc(0);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (piece: Buffer) => {
      text = Buffer.concat([text, piece]);
      for (let parsed = parse(text); parsed !== null; parsed = parse(text)) {
        text = text.subarray(parsed.size);
        requests.push(parsed.request);
        const answer = vendor.script(parsed.request, socket);
        if (answer !== null) void send(socket, answer);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const vendor: Vendor = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    script,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
  return vendor;
}
