const HOUR_MS = 3_600_000;

/**
 * DeepSeek's peak hours: Monday to Friday, 01:00–04:00 and 06:00–10:00 UTC (pricing page of 2026-11-15). Chinese public holidays, which
 * are off-peak, are not known here.
 */
export function isDeepseekPeak(nowMs: number): boolean {
  const weekday = new Date(nowMs).getUTCDay();
  if (weekday === 0 || weekday === 6) return false;
  const hour = Math.floor(nowMs / HOUR_MS) % 24;
  return (hour >= 1 && hour < 4) || (hour >= 6 && hour < 10);
}
