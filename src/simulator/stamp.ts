/** Digits of a time in µs since 1970, until the year 2286. */
const DIGITS = 16;
const ZERO = 48;
const MARK = Buffer.from('"@');

const nowUs = (): number => Math.round((performance.timeOrigin + performance.now()) * 1000);

/** The time now, as it stands at the beginning of a stamped content chunk: `@1795527175598339 `. */
export const stampNow = (): string => `@${nowUs()} `;

/** Where the digits of a stamp stand in an event; −1: nowhere. */
export function stampOffset(event: Buffer): number {
  const mark = event.indexOf(MARK);
  return mark === -1 ? -1 : mark + MARK.length;
}

/** Writes the time now over the digits of a stamp. */
export function restamp(event: Buffer, offset: number): void {
  let left = nowUs();
  for (let index = offset + DIGITS - 1; index >= offset; index--) {
    event[index] = ZERO + (left % 10);
    left = Math.floor(left / 10);
  }
}
