import type { ChainState, Envelope } from './envelope.ts';

/** Odd constants of MurmurHash3's finalizers: every bit of what is mixed reaches every bit of the result. */
const MIX_A = 0x85ebca6b;
const MIX_B = 0xc2b2ae35;

/**
 * A 64-bit hash of a row of blocks that can be taken further block by block: `chain' = mix(chain, h(block))`, h = xxHash3,
 * in halves of 32 bits. Empty blocks leave it as it is.
 *
 * One native call a block: what is called from compiled code costs more than the arithmetic of a mix. It need not resist an
 * attacker: it says where prompts part, and never who gets whose answer.
 */
export class BlockChain {
  readonly #hash = new BigUint64Array(1);
  readonly #halves = new Uint32Array(this.#hash.buffer);
  #low = 0;
  #high = 0;

  get state(): ChainState {
    return { low: this.#low, high: this.#high };
  }

  set state({ low, high }: ChainState) {
    this.#low = low;
    this.#high = high;
  }

  /** 16 hexadecimal digits. */
  get hex(): string {
    return hex64(this.#high, this.#low);
  }

  /** The lower 32 bits, unsigned. */
  get uint32(): number {
    return this.#low;
  }

  /** Starts over. */
  clear(): void {
    this.#low = this.#high = 0;
  }

  add(bytes: Buffer, start: number, end: number): void {
    if (start === end) return;
    this.#hash[0] = Bun.hash.xxHash3(bytes.subarray(start, end));
    // The order of blocks counts: what was is moved on before the new one joins.
    let low = Math.imul(this.#low ^ (this.#high >>> 15), MIX_A) ^ this.#halves[0]!;
    let high = Math.imul(this.#high ^ (low >>> 13), MIX_B) ^ this.#halves[1]!;
    low = Math.imul(low ^ (high >>> 16), MIX_B);
    high = Math.imul(high ^ (low >>> 16), MIX_A);
    this.#low = (low ^ (high >>> 13)) >>> 0;
    this.#high = (high ^ (low >>> 15)) >>> 0;
  }

  /** Starts over with what opens every prompt and stays over a conversation: tools, then the leading system block. */
  addHead(envelope: Envelope): void {
    const { sent } = envelope;
    this.clear();
    this.addSent(envelope, sent.toolsStart, sent.toolsEnd);
    this.addSent(envelope, sent.systemStart, sent.systemEnd);
  }

  /** Adds a run of what is sent, without what is no part of the prompt ({@link SentPrompt.cuts}). */
  addSent({ canonical, sent }: Envelope, start: number, end: number): void {
    const { bytes, cuts } = sent;
    let cut = cuts.firstFrom(start);
    if (cut === cuts.length || cuts.start(cut) >= end) {
      this.add(bytes, start, end);
      return;
    }
    const from = canonical.length;
    let at = start;
    for (; cut < cuts.length && cuts.start(cut) < end; cut++) {
      canonical.raw(bytes, at, cuts.start(cut));
      at = cuts.end(cut);
    }
    canonical.raw(bytes, at, end);
    this.add(canonical.view(), from, canonical.length);
    canonical.truncate(from);
  }
}

/** 16 hexadecimal digits of two halves of 32 bits. */
export const hex64 = (high: number, low: number): string => hex32(high) + hex32(low);

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function hex32(value: number): string {
  return HEX[value >>> 24]! + HEX[(value >>> 16) & 255]! + HEX[(value >>> 8) & 255]! + HEX[value & 255]!;
}
