import { HASH_SEED, hashStep } from '../keys.ts';

/** Two texts of four characters each after which the key hash stands at the same value, so that what follows hashes alike. */
export const TWINS = ['u5Ka', 'Q>Qh'] as const;

/** Two such texts for the hash at `state`, and where it stands after either. */
function twinsFrom(state: number): readonly [one: string, other: string, after: number] {
  const seen = new Map<number, string>();
  for (let number = 36 ** 3; ; number++) {
    const text = number.toString(36);
    let hash = state;
    for (let at = 0; at < text.length; at++) hash = hashStep(hash, text.charCodeAt(at));
    const other = seen.get(hash);
    if (other !== undefined) return [other, text, hash];
    seen.set(hash, text);
  }
}

/** Answers what makes a key out of each number below 2^bits: all different, of one length and of one hash. */
export function alikeKeys(bits: number): (number: number) => string {
  const twins: (readonly [string, string])[] = [];
  let state = HASH_SEED;
  for (let bit = 0; bit < bits; bit++) {
    const [one, other, after] = twinsFrom(state);
    twins.push([one, other]);
    state = after;
  }
  return (number) => twins.map((pair, bit) => pair[(number >> bit) & 1]).join('');
}
