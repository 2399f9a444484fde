import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../errors/gateway-error.ts';
import { Admission } from './admission.ts';

/** Two threads that count in shared words. */
function threads(limits: { total: number; streamed?: number; buffered?: number }) {
  const words = [
    [0, 0],
    [0, 0],
  ];
  const sum = (kind: 0 | 1): number => words[0]![kind]! + words[1]![kind]!;
  const make = (own: number): Admission =>
    new Admission(
      {
        total: limits.total,
        streamed: limits.streamed ?? limits.total,
        buffered: limits.buffered ?? limits.total,
      },
      {
        add: (kind, delta) => {
          words[own]![kind]! += delta;
        },
        sum,
      },
    );
  return { one: make(0), two: make(1), words };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
  return 'none';
}

describe('Admission', () => {
  test('the limit is over all threads, and a place that is left is free again', () => {
    const { one, two, words } = threads({ total: 2 });
    const place = one.enter();
    two.enter();
    expect(codeOf(() => one.enter())).toBe('too_many_requests_in_flight');
    place.leave();
    place.leave();
    expect(codeOf(() => two.enter())).toBe('none');
    expect(words).toEqual([
      [0, 0],
      [2, 0],
    ]);
    expect([one.inFlight, two.inFlight, one.total]).toEqual([0, 2, 2]);
  });

  test('a kind has a limit of its own; who finds none leaves the other kind alone', () => {
    const { one, words } = threads({ total: 10, streamed: 1 });
    one.enter().countAs(true);
    const second = one.enter();
    expect(codeOf(() => second.countAs(true))).toBe('too_many_requests_in_flight');
    second.leave();
    one.enter().countAs(false);
    expect(words[0]).toEqual([1, 1]);
  });

  test('once closed, nothing new is admitted; what came before may enter, and leave', () => {
    const { one } = threads({ total: 10 });
    const place = one.enter();
    expect(codeOf(() => one.checkOpen())).toBe('none');
    one.close();
    expect(codeOf(() => one.checkOpen())).toBe('shutting_down');
    one.enter().leave();
    place.leave();
    expect(one.inFlight).toBe(0);
  });
});
