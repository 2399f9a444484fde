import type { Envelope } from './envelope.ts';

/**
 * A 64-bit hash of a row of blocks that can be taken further block by block: `chain' = h(chain ‖ h(block))`, h = xxHash3.
 *
 * The state travels as data and not as the hash's seed: of a seed `Bun.hash.xxHash3` uses the lower 32 bits only.
 */
export class BlockChain {
  readonly #link = new BigUint64Array(2);

  get value(): bigint {
    return this.#link[0]!;
  }

  set value(value: bigint) {
    this.#link[0] = value;
  }

  /** 16 hexadecimal digits. */
  get hex(): string {
    return this.value.toString(16).padStart(16, '0');
  }

  /** The lower 32 bits, unsigned. */
  get uint32(): number {
    return Number(BigInt.asUintN(32, this.value));
  }

  add(bytes: Buffer, start: number, end: number): void {
    this.#link[1] = Bun.hash.xxHash3(bytes.subarray(start, end));
    this.#link[0] = Bun.hash.xxHash3(this.#link);
  }

  /** Starts over with what opens every prompt and stays over a conversation: tools, then the leading system block. */
  addHead({ blocks, sent }: Envelope): void {
    this.value = 0n;
    this.add(sent.bytes, sent.toolsStart, sent.toolsEnd);
    if (blocks.systemEnd === 0) this.add(sent.bytes, 0, 0);
    else this.add(sent.bytes, sent.messages.start(0), sent.messages.end(blocks.systemEnd - 1));
  }
}
