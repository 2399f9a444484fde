const DURATION_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const SIZE_BYTES = {
  b: 1,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  kb: 1_000,
  mb: 1_000_000,
  gb: 1e9,
} as const;

/** `90s`, `2m`, `1h`, `250ms` → milliseconds; null when it is not a duration. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  if (match === null) return null;
  return Math.round(Number(match[1]) * DURATION_MS[match[2] as keyof typeof DURATION_MS]);
}

/** `32MiB`, `1000000`, `64kb` → bytes; null when it is not a size. */
export function parseSizeBytes(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?i?b)?$/i.exec(text.trim());
  if (match === null) return null;
  const unit = (match[2] ?? 'b').toLowerCase() as keyof typeof SIZE_BYTES;
  return Math.round(Number(match[1]) * SIZE_BYTES[unit]);
}
