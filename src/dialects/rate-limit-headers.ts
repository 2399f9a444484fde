/**
 * Rate-limit headers of the two dialects. OpenAI tells when a limit is full again as a duration (guide "Rate limits":
 * `6m0s`, `12ms`), Anthropic as a time (API overview, "Rate limits": RFC 3339). Anthropic's split by input and output
 * tokens has no name at OpenAI.
 */
type Header = readonly [name: string, value: string];

/** Retry hints of both vendors' SDKs: the same name and meaning in either dialect. */
const SHARED: ReadonlySet<string> = new Set(['retry-after', 'retry-after-ms', 'x-should-retry']);

const ANTHROPIC = /^anthropic-ratelimit-(requests|tokens)-(limit|remaining|reset)$/;
const OPENAI = /^x-ratelimit-(limit|remaining|reset)-(requests|tokens)$/;
/** Azure sends -1 where it does not know. */
const COUNT = /^\d{1,15}$/;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const DURATION =
  /^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d+)?)s)?(?:(\d{1,9}(?:\.\d+)?)ms)?$/;

/** A header of an Anthropic answer under OpenAI's name; null when it has none. `nowMs`: wall clock. */
export function openAiHeader(name: string, value: string, nowMs: number): Header | null {
  if (SHARED.has(name)) return [name, value];
  const [, what, figure] = ANTHROPIC.exec(name) ?? [];
  if (what === undefined || figure === undefined) return null;
  const own = `x-ratelimit-${figure}-${what}`;
  if (figure !== 'reset') return COUNT.test(value) ? [own, value] : null;
  return RFC_3339.test(value) ? [own, durationText(Math.max(0, Date.parse(value) - nowMs))] : null;
}

/** A header of an OpenAI answer under Anthropic's name; null when it has none. `nowMs`: wall clock. */
export function anthropicHeader(name: string, value: string, nowMs: number): Header | null {
  if (SHARED.has(name)) return [name, value];
  const [, figure, what] = OPENAI.exec(name) ?? [];
  if (what === undefined || figure === undefined) return null;
  const own = `anthropic-ratelimit-${what}-${figure}`;
  if (figure !== 'reset') return COUNT.test(value) ? [own, value] : null;
  const durationMs = durationOf(value);
  if (durationMs === null) return null;
  // Whole seconds, as the vendor has it, and never before the limit is full.
  const resetMs = Math.ceil((nowMs + durationMs) / 1_000) * 1_000;
  return [own, new Date(resetMs).toISOString().replace('.000Z', 'Z')];
}

function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1_000);
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  const head = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : '';
  return `${head}${seconds % 60}s`;
}

function durationOf(text: string): number | null {
  const match = text === '' ? null : DURATION.exec(text);
  if (match === null) return null;
  const [days, hours, minutes, seconds, ms] = match.slice(1).map((part) => Number(part ?? 0));
  return (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1_000 + ms!;
}
