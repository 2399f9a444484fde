const { copy } = Buffer.prototype;

/**
 * Copies `from[start, end)` to `to` from `at` on, which must have room. A third of what `to.set(from.subarray(…), at)`
 * costs: no view is made.
 */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  copy.call(from, to, at, start, end);
}

/** `bytes` with Buffer's methods; the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
