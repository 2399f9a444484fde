/** The next number, less than `below`. */
export type Numbers = (below: number) => number;

/** Mulberry32: the same numbers for the same seed, so that a failure can be seen again. */
export function numbersFrom(seed: number): Numbers {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
