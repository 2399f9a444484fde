import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { SlowRequests, type Running } from './slow-requests.ts';

class Request implements Running {
  readonly startedAtMs: number;
  place = -1;
  told = 0;
  onTold = (): void => {};

  constructor(startedAtMs: number) {
    this.startedAtMs = startedAtMs;
  }

  onSlow(): void {
    this.told++;
    this.onTold();
  }
}

test('each request that still runs is told once, and none that has ended', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ at: fc.nat(300), ends: fc.option(fc.nat(400)) })), (plans) => {
      const slow = new SlowRequests();
      const requests = plans.map(({ at, ends }) => ({ request: new Request(at), ends }));
      for (let nowMs = 0; nowMs <= 500; nowMs += 50) {
        for (const { request } of requests)
          if (request.startedAtMs > nowMs - 50 && request.startedAtMs <= nowMs) slow.add(request);
        for (const { request, ends } of requests) {
          if (ends !== null && ends <= nowMs && request.startedAtMs <= nowMs) slow.remove(request);
        }
        slow.sweep(nowMs);
      }
      for (const { request, ends } of requests) {
        const runs = ends === null ? Number.POSITIVE_INFINITY : Math.max(0, ends - request.startedAtMs);
        if (runs > 150) expect(request.told).toBe(1);
        if (runs === 0) expect(request.told).toBe(0);
        expect(request.told).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test('one that is told may end others', () => {
  const slow = new SlowRequests();
  const [one, two] = [new Request(0), new Request(0)];
  slow.add(one);
  slow.add(two);
  one.onTold = () => slow.remove(two);
  slow.sweep(100);
  expect([one.told, two.told]).toEqual([1, 0]);
});
