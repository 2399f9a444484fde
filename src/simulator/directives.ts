/**
 * What a test asks of the vendor, written into the prompt as `[[sim:name=value]]` (a gateway forwards text where it would
 * drop a header) or sent as a header `x-sim-<name>`, which wins. Of several in one conversation the last one counts.
 */
export interface Directives {
  /** Ms before the first byte of the answer. */
  readonly delay: number;
  /** Answer with this error status (400…599). */
  readonly status: number;
  /** Number of content chunks; 0: as the answer has words. */
  readonly chunks: number;
  /** Ms between content chunks. */
  readonly interval: number;
  /** Pad the content to this many bytes. */
  readonly size: number;
  /** Answer once so many requests wait. */
  readonly barrier: number;
  /** Wait after so many content chunks until the test releases it; 0, or a body that is no stream: before any byte; −1: don't. */
  readonly hold: number;
  /** Break off (FIN) after so many content chunks; 0: before any byte; −1: don't. */
  readonly break: number;
  /** As `break`, but with RST. */
  readonly reset: number;
  /** End a stream with an error event after so many content chunks; −1: don't. */
  readonly error: number;
  /** Number of parallel tool calls. */
  readonly tools: number;
  /** Turns of tool calls in a row before the text; 0: as 1. */
  readonly rounds: number;
  /** Keep-alive comments (streams) or blank lines (JSON) sent, spread over the delay, before the answer. */
  readonly keepalive: number;
  /** 1: usage on a trailing chunk where the vendor may also put it on the finish chunk. */
  readonly trailing: number;
  /** 1: each text chunk of a stream begins with its send time, `@<µs since 1970> `. */
  readonly stamp: number;
}

type DirectiveName = keyof Directives;

export const NO_DIRECTIVES: Directives = {
  delay: 0,
  status: 0,
  chunks: 0,
  interval: 0,
  size: 0,
  barrier: 0,
  hold: -1,
  break: -1,
  reset: -1,
  error: -1,
  tools: 0,
  rounds: 0,
  keepalive: 0,
  trailing: 0,
  stamp: 0,
};

/** Greatest values taken; more is cut to these. */
const LIMITS: Readonly<Record<DirectiveName, number>> = {
  delay: 3_600_000,
  status: 599,
  chunks: 1_000_000,
  interval: 60_000,
  size: 64 * 1024 * 1024,
  barrier: 100_000,
  hold: 1_000_000,
  break: 1_000_000,
  reset: 1_000_000,
  error: 1_000_000,
  tools: 128,
  rounds: 1000,
  keepalive: 1000,
  trailing: 1,
  stamp: 1,
};

const OPENING = Buffer.from('[[sim:');
const DIRECTIVE = /\[\[sim:([a-z]{1,16})=(\d{1,10})\]\]/g;
const HEADER_PREFIX = 'x-sim-';

const isName = (name: string): name is DirectiveName => Object.hasOwn(LIMITS, name);

/** `body`: the raw request body; `headers` null when none of them is a directive. */
export function readDirectives(body: Buffer, headers: ReadonlyMap<string, string> | null): Directives {
  const first = body.indexOf(OPENING);
  if (first === -1 && headers === null) return NO_DIRECTIVES;
  const found: Record<DirectiveName, number> = { ...NO_DIRECTIVES };
  if (first !== -1) {
    for (const [, name = '', value] of body.toString('latin1', first).matchAll(DIRECTIVE)) {
      if (isName(name)) found[name] = Math.min(Number(value), LIMITS[name]);
    }
  }
  if (headers !== null) {
    for (const [header, value] of headers) {
      if (!header.startsWith(HEADER_PREFIX) || !/^\d{1,10}$/.test(value)) continue;
      const name = header.slice(HEADER_PREFIX.length);
      if (isName(name)) found[name] = Math.min(Number(value), LIMITS[name]);
    }
  }
  return found;
}
