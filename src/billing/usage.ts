/** The one normal form of usage, in tokens. The input kinds are disjoint; `reasoning` is a part of `output`. */
export interface Usage {
  readonly uncachedInput: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly cacheWrite30m: number;
  readonly output: number;
  readonly reasoning: number;
  /** False when the vendor reported no cache figures: unknown is not zero. */
  readonly cacheKnown: boolean;
  readonly estimated: boolean;
}

/** All tokens of a call, as rate limits count them. */
export const tokensOf = (usage: Usage): number =>
  usage.uncachedInput +
  usage.cacheRead +
  usage.cacheWrite5m +
  usage.cacheWrite1h +
  usage.cacheWrite30m +
  usage.output;
