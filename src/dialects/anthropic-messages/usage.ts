import type { Usage } from '../../billing/usage.ts';

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** A count as the vendor told it; null for one that is absent or null. */
const told = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;

/**
 * The `usage` objects of one Messages answer, gathered into the one normal form.
 *
 * The vendor counts exclusively: `input_tokens` is what neither came from the cache nor went into it (Anthropic docs,
 * "Prompt caching": tracking cache performance). The figures of a stream's records are cumulative: per field the last
 * one that is not null counts, none is added to another ("Streaming messages": `message_delta`).
 */
export class MessagesUsage {
  #told = false;
  #input: number | null = null;
  #cacheRead: number | null = null;
  #cacheWrite: number | null = null;
  #cacheWrite5m: number | null = null;
  #cacheWrite1h: number | null = null;
  #output: number | null = null;
  #thinking: number | null = null;
  #compaction: readonly Usage[] = [];

  /** Takes one `usage` object as it was parsed; anything else is no usage. */
  add(value: unknown): void {
    const usage = record(value);
    const writes = record(usage['cache_creation']);
    this.#input = told(usage['input_tokens']) ?? this.#input;
    this.#cacheRead = told(usage['cache_read_input_tokens']) ?? this.#cacheRead;
    this.#cacheWrite = told(usage['cache_creation_input_tokens']) ?? this.#cacheWrite;
    this.#cacheWrite5m = told(writes['ephemeral_5m_input_tokens']) ?? this.#cacheWrite5m;
    this.#cacheWrite1h = told(writes['ephemeral_1h_input_tokens']) ?? this.#cacheWrite1h;
    this.#output = told(usage['output_tokens']) ?? this.#output;
    this.#thinking = told(record(usage['output_tokens_details'])['thinking_tokens']) ?? this.#thinking;
    if (Array.isArray(usage['iterations'])) this.#compaction = compactions(usage['iterations']);
    this.#told ||= this.#input !== null || this.#output !== null;
  }

  /** null when the vendor told no figures. */
  get(): Usage | null {
    if (!this.#told) return null;
    const [write5m, write1h] = this.#writes();
    const usage: Usage = {
      uncachedInput: this.#input ?? 0,
      cacheRead: this.#cacheRead ?? 0,
      cacheWrite5m: write5m,
      cacheWrite1h: write1h,
      cacheWrite30m: 0,
      output: this.#output ?? 0,
      reasoning: Math.min(this.#thinking ?? 0, this.#output ?? 0),
      cacheKnown: this.#cacheRead !== null || this.#cacheWrite !== null,
      estimated: false,
    };
    return this.#compaction.reduce(sum, usage);
  }

  /**
   * Written tokens by lifetime. The later records of a stream tell the sum alone; what goes beyond the lifetimes told
   * before is the one that was written alone, else the short one, which is the vendor's default.
   */
  #writes(): [fiveMinutes: number, oneHour: number] {
    const short = this.#cacheWrite5m ?? 0;
    const long = this.#cacheWrite1h ?? 0;
    const all = this.#cacheWrite ?? short + long;
    const oneHour = short === 0 && long > 0 ? all : Math.min(long, all);
    return [all - oneHour, oneHour];
  }
}

/** A Messages `usage` object in the one normal form, or null when there is none. */
export function normaliseUsage(value: unknown): Usage | null {
  const usage = new MessagesUsage();
  usage.add(value);
  return usage.get();
}

/** Summaries that the vendor wrote on the way are billed, and are not part of the totals (Anthropic docs, "Compaction"). */
function compactions(iterations: readonly unknown[]): Usage[] {
  const found: Usage[] = [];
  for (const iteration of iterations) {
    if (record(iteration)['type'] !== 'compaction') continue;
    const usage = normaliseUsage(iteration);
    if (usage !== null) found.push(usage);
  }
  return found;
}

function sum(one: Usage, other: Usage): Usage {
  return {
    ...one,
    uncachedInput: one.uncachedInput + other.uncachedInput,
    cacheRead: one.cacheRead + other.cacheRead,
    cacheWrite5m: one.cacheWrite5m + other.cacheWrite5m,
    cacheWrite1h: one.cacheWrite1h + other.cacheWrite1h,
    output: one.output + other.output,
    reasoning: one.reasoning + other.reasoning,
  };
}
