import type { Usage } from '../billing/usage.ts';
import { asBuffer } from '../std/bytes.ts';

/**
 * Usage of a whole answer, `body[start, end)`, by its dialect's reading of `usage`, or null when the body carries none.
 *
 * Read as latin1, which is cheaper than UTF-8 and says the same here: every character of JSON's own, and of `usage`, is
 * ASCII, and no other character's bytes are.
 */
export function usageIn(
  body: Uint8Array,
  start: number,
  end: number,
  normalise: (usage: unknown) => Usage | null,
): Usage | null {
  try {
    const parsed: unknown = JSON.parse(asBuffer(body).toString('latin1', start, end));
    if (typeof parsed !== 'object' || parsed === null) return null;
    return normalise((parsed as { usage?: unknown }).usage);
  } catch {
    return null;
  }
}
