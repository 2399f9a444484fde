import type { Usage } from '../../billing/usage.ts';
import { normaliseUsage } from './usage.ts';

const decoder = new TextDecoder();
const USAGE_KEY = Buffer.from('"usage"');

/** Usage of a whole Chat Completions answer, or null when the body carries none. */
export function usageOfBody(body: Uint8Array): Usage | null {
  if (Buffer.from(body.buffer, body.byteOffset, body.byteLength).indexOf(USAGE_KEY) < 0) return null;
  try {
    const parsed: unknown = JSON.parse(decoder.decode(body));
    return typeof parsed === 'object' && parsed !== null
      ? normaliseUsage((parsed as { usage?: unknown }).usage)
      : null;
  } catch {
    return null;
  }
}

/** What one event of a stream means to the gateway; everything else passes through to the byte. */
export interface EventVerdict {
  /** Last record of the stream (`[DONE]`). */
  done: boolean;
  /** An error record: the vendor failed after its 200. */
  failed: boolean;
  usage: Usage | null;
  /** `keep`: relay as it is; `drop`: the client did not ask for it; a Uint8Array: relay this data instead. */
  relay: 'keep' | 'drop' | Uint8Array;
}

const DONE = Buffer.from('[DONE]');
const NULL_USAGE = [Buffer.from(',"usage":null'), Buffer.from(', "usage": null')];
const ERROR_KEY = Buffer.from('"error"');

function startsWith(bytes: Uint8Array, start: number, end: number, needle: Uint8Array): boolean {
  if (end - start < needle.length) return false;
  for (let index = 0; index < needle.length; index++)
    if (bytes[start + index] !== needle[index]) return false;
  return true;
}

/**
 * Judges one event's data, `bytes[start, end)`.
 *
 * @param strip the gateway asked for usage on its own account: the trailing record with empty `choices` and the
 *   `usage: null` of the others must not reach the client (OpenAI reference, `stream_options`).
 */
export function judgeEvent(
  bytes: Buffer,
  start: number,
  end: number,
  strip: boolean,
  verdict: EventVerdict,
): void {
  verdict.done = false;
  verdict.failed = false;
  verdict.usage = null;
  verdict.relay = 'keep';
  if (startsWith(bytes, start, end, DONE)) {
    verdict.done = true;
    return;
  }
  const data = bytes.subarray(start, end);
  const usageAt = data.indexOf(USAGE_KEY);
  if (usageAt >= 0) {
    for (const needle of NULL_USAGE) {
      const at = data.indexOf(needle);
      if (at < 0) continue;
      if (strip) verdict.relay = Buffer.concat([data.subarray(0, at), data.subarray(at + needle.length)]);
      return;
    }
    inspectUsage(data, strip, verdict);
    return;
  }
  // `{"error":…}`: the key stands first in every recorded stream failure.
  const errorAt = data.indexOf(ERROR_KEY);
  if (errorAt >= 0 && errorAt <= 2) verdict.failed = true;
}

function inspectUsage(data: Uint8Array, strip: boolean, verdict: EventVerdict): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(data));
  } catch {
    return;
  }
  if (typeof parsed !== 'object' || parsed === null) return;
  const event = parsed as { usage?: unknown; choices?: unknown };
  verdict.usage = normaliseUsage(event.usage);
  if (!strip || verdict.usage === null) return;
  if (Array.isArray(event.choices) && event.choices.length === 0) {
    verdict.relay = 'drop';
    return;
  }
  // Usage that rides on the finish chunk (DeepSeek): the chunk stays, its usage goes.
  const { usage: _usage, ...rest } = event;
  verdict.relay = Buffer.from(JSON.stringify(rest));
}
