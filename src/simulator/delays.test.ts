import { expect, test } from 'bun:test';
import { Delays } from './delays.ts';

/** Resolves when woken, with the time it took. */
const sleep = (delays: Delays, ms: number): Promise<number> => {
  const start = performance.now();
  return new Promise((resolve) => delays.after(ms, { wake: () => resolve(performance.now() - start) }));
};

test('nobody is woken early', async () => {
  const delays = new Delays(() => performance.now());
  const waits = [1, 7, 3, 7, 20, 3, 0.5];
  const took = await Promise.all(waits.map((ms) => sleep(delays, ms)));
  for (const [index, ms] of waits.entries()) expect(took[index]).toBeGreaterThanOrEqual(ms);
});

test('a line of thousands is woken in order', async () => {
  const delays = new Delays(() => performance.now());
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 5000 }, (_, index) => sleep(delays, 2).then(() => order.push(index))),
  );
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(order.length).toBe(5000);
});

test('a sleeper may lie down again when it is woken', async () => {
  const delays = new Delays(() => performance.now());
  let left = 20;
  await new Promise<void>((resolve) => {
    const sleeper = {
      wake: (): void => {
        if (--left === 0) resolve();
        else delays.after(1, sleeper);
      },
    };
    delays.after(1, sleeper);
  });
  expect(left).toBe(0);
});

test('after a stop nobody is woken', async () => {
  const delays = new Delays(() => performance.now());
  let woken = 0;
  delays.after(1, { wake: () => woken++ });
  delays.stop();
  await sleep(new Delays(() => performance.now()), 5);
  expect(woken).toBe(0);
});
