/**
 * Where a client's connection stands.
 *
 * ```
 *   Waiting ──bytes──▶ Head ──whole──▶ Busy ──answered──▶ (Dropping: the rest of its body) ──▶ Waiting
 *                        │               └── last one ─▶ Closing ──sent──▶ Lingering ──peer closes──▶ Closed
 *                        └── cannot be read ─────────────▲
 * ```
 */
export const PHASE = {
  Waiting: 0,
  Head: 1,
  Busy: 2,
  Dropping: 3,
  Closing: 4,
  Lingering: 5,
  Closed: 6,
} as const;
export type Phase = (typeof PHASE)[keyof typeof PHASE];
