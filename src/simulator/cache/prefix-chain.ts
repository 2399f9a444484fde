const rotateLeft = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

/** Final mix of a 32-bit lane (MurmurHash3's). */
function finish(lane: number): number {
  let value = lane;
  value = Math.imul(value ^ (value >>> 16), 0x85_eb_ca_6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2_b2_ae_35);
  return value ^ (value >>> 16);
}

/** MurmurHash3's step. Every sum is cut back to 32 bits at once: as doubles the same loop takes four times as long. */
const step = (lane: number, token: number, first: number, second: number): number =>
  (Math.imul(rotateLeft(lane ^ Math.imul(rotateLeft(Math.imul(token, first), 15), second), 13), 5) +
    0x38_49_5a_b5) |
  0;

/**
 * Running hash over the tokens of a prompt: one pass gives the identity of every prefix asked for, as a 53-bit integer that is
 * a cheap map key. Two lanes with constants of their own; tables of some 10^5 entries collide with a chance of about 10^-6 in a
 * lifetime.
 */
export class PrefixChain {
  readonly #tokens: Int32Array;
  #first: number;
  #second: number;
  #position = 0;

  /** `scope` (account, model, …) separates caches: other scope, other hashes. */
  constructor(tokens: Int32Array, scope: string) {
    this.#tokens = tokens;
    this.#first = Bun.hash.xxHash32(scope, 1) | 0;
    this.#second = Bun.hash.xxHash32(scope, 2) | 0;
  }

  /** Hash of the first `length` tokens; `length` must not fall from call to call. */
  to(length: number): number {
    const tokens = this.#tokens;
    let first = this.#first;
    let second = this.#second;
    for (let index = this.#position; index < length; index++) {
      const token = tokens[index]!;
      first = step(first, token, 0xcc_9e_2d_51, 0x1b_87_35_93);
      second = step(second, token, 0x23_9b_96_1b, 0xab_0e_97_89);
    }
    this.#first = first;
    this.#second = second;
    this.#position = length;
    return (finish(first ^ length) >>> 0) * 0x20_00_00 + (finish(second ^ length) >>> 11);
  }
}
