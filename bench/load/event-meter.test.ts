import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { EventMeter } from './event-meter.ts';

const event = (content: string): string =>
  `data: {"id":"c","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}},"finish_reason":null}]}\n\n`;
const STAMP = 1_795_527_175_598_339;
const STREAM = `${event('')}${event(`@${STAMP} `)}: keep-alive\n\n${event(`@${STAMP + 25_000} `)}data: [DONE]\n\n`;

function feed(text: string, places: readonly number[]): { meter: EventMeter; stamps: number[] } {
  const stamps: number[] = [];
  const meter = new EventMeter((stampUs) => stamps.push(stampUs));
  const bytes = Buffer.from(text);
  const at = [0, ...places.map((place) => place % bytes.length).sort((a, b) => a - b), bytes.length];
  for (let index = 1; index < at.length; index++) meter.push(bytes, at[index - 1] ?? 0, at[index] ?? 0);
  return { meter, stamps };
}

test('counts events and reads their send times however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 10 }), (places) => {
      const { meter, stamps } = feed(STREAM, places);
      expect(stamps).toEqual([0, STAMP, STAMP + 25_000]);
      expect(meter.events).toBe(3);
      expect(meter.stamped).toBe(2);
      expect(meter.done).toBe(true);
      expect(meter.failed).toBe(false);
    }),
  );
});

test('an error event is noticed and a missing end too', () => {
  const { meter } = feed(`${event('a')}data: {"error":{"message":"no"}}\n\n`, []);
  expect(meter.failed).toBe(true);
  expect(meter.done).toBe(false);
});

test('a reset forgets the stream before', () => {
  const { meter } = feed(`${STREAM}data: {"half`, []);
  meter.reset();
  expect([meter.events, meter.stamped, meter.done, meter.failed]).toEqual([0, 0, false, false]);
  const next = Buffer.from(event('x'));
  meter.push(next, 0, next.length);
  expect(meter.events).toBe(1);
});
