import { expect, test } from 'bun:test';
import { restamp, stampNow, stampOffset } from './stamp.ts';

test('a stamp is rewritten in place with the time', () => {
  const before = Date.now() * 1000 - 2000;
  const event = Buffer.from(`data: {"content":"${stampNow()}word"}`);
  const { length } = event;
  event.fill('0', stampOffset(event), stampOffset(event) + 16);
  restamp(event, stampOffset(event));
  const [, digits = '', rest] = /"@(\d{16}) (.*)"/.exec(event.toString()) ?? [];
  expect(event.length).toBe(length);
  expect(rest).toBe('word');
  expect(Number(digits)).toBeGreaterThan(before);
  expect(Number(digits)).toBeLessThan(Date.now() * 1000 + 2000);
  expect(stampOffset(Buffer.from('{"a":1}'))).toBe(-1);
});
