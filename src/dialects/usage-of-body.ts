import type { Usage } from '../billing/usage.ts';

const decoder = new TextDecoder();

/** Usage of a whole answer by its dialect's reading of `usage`, or null when the body carries none. */
export function usageIn(body: Uint8Array, normalise: (usage: unknown) => Usage | null): Usage | null {
  try {
    const parsed: unknown = JSON.parse(decoder.decode(body));
    if (typeof parsed !== 'object' || parsed === null) return null;
    return normalise((parsed as { usage?: unknown }).usage);
  } catch {
    return null;
  }
}
