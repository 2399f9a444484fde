/** What is stored of an API key: its SHA-256, hexadecimal. Keys are long and random, so no salt is needed. */
export function keyHash(key: string): string {
  return new Bun.CryptoHasher('sha256').update(key).digest('hex');
}
