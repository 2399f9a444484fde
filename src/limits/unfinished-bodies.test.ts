import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { GatewayError } from '../errors/gateway-error.ts';
import type { BodyMeter } from '../server/incoming.ts';
import { BODY, createMemory, releaseWorker } from '../shared/memory-map.ts';
import { UnfinishedBodies, type BodySource, type KeptBody } from './unfinished-bodies.ts';

const MIB = 1024 * 1024;

/** A body as its connection sees it. */
class Body implements BodySource {
  readonly meter: BodyMeter;
  ended: Error | null = null;
  resumed = 0;

  constructor(bodies: UnfinishedBodies, slot: number) {
    this.meter = bodies.open(this, slot);
  }

  resumeBody(): void {
    this.resumed++;
  }

  endBody(error: Error): void {
    this.ended = error;
    this.meter.done();
  }
}

/** A client that sends as long as its body may grow. */
class Sender implements BodySource {
  readonly meter: BodyMeter;
  bytes = 0;
  paused = false;
  over = false;

  constructor(bodies: UnfinishedBodies, slot: number) {
    this.meter = bodies.open(this, slot);
  }

  send(bytes: number): void {
    if (this.over || this.paused) return;
    this.bytes += bytes;
    this.paused = !this.meter.holds(this.bytes) && !this.over;
  }

  finish(): void {
    if (this.over) return;
    this.over = true;
    this.paused = false;
    this.meter.done();
  }

  resumeBody(): void {
    this.paused = false;
  }

  endBody(): void {
    this.finish();
  }
}

function threads(maxBytes = 16 * MIB, maxBodyBytes = MIB) {
  const memory = createMemory({ workers: 3, metricWords: 1, labelBytes: 1, maxKeys: 16 });
  const thread = (worker: number, incarnation: number): UnfinishedBodies =>
    new UnfinishedBodies(memory, worker, { maxBytes, maxBodyBytes, firstBirth: incarnation * 2 ** 32 });
  return { memory, thread, one: thread(0, 1), two: thread(1, 2), three: thread(2, 3) };
}

describe('unfinished bodies', () => {
  test('small ones always enter, and count for nothing', () => {
    const { one, memory } = threads(1, 1);
    const bodies = Array.from({ length: 1_000 }, () => new Body(one, 1));
    expect(bodies.every((body) => body.meter.holds(64 * 1024))).toBe(true);
    expect(memory.bodyBytes[0]).toBe(0);
    expect(memory.bodiesOpen[0]).toBe(1_000);
    for (const body of bodies) body.meter.done();
    expect(memory.bodiesOpen[0]).toBe(0);
  });

  test("over a key's share its largest ends, on whichever thread, and nobody else's", () => {
    const { one, two, memory } = threads();
    const other = new Body(one, 2);
    expect(other.meter.holds(3 * MIB)).toBe(true);
    const small = new Body(one, 1);
    const large = new Body(two, 1);
    expect(small.meter.holds(MIB)).toBe(true);
    expect(large.meter.holds(2.5 * MIB)).toBe(true);
    // It would be 1.75 + 2.5 of 4 MiB: the large one is on the other thread, so this one waits for it to go.
    expect(small.meter.holds(1.75 * MIB)).toBe(false);
    expect([small.ended, large.ended, small.resumed]).toEqual([null, null, 0]);
    one.look();
    expect(small.resumed).toBe(0);
    two.look();
    expect(large.ended).toBeInstanceOf(GatewayError);
    expect(large.ended).toMatchObject({ code: 'bodies_over_budget' });
    one.look();
    expect(small.resumed).toBe(1);
    expect([small.ended, other.ended]).toEqual([null, null]);
    expect([...memory.bodyBytes]).toEqual([4.75 * MIB, 0, 0]);
    for (const body of [small, other]) body.meter.done();
    expect([...memory.bodyBytes]).toEqual([0, 0, 0]);
    expect([...memory.bodyRows]).toEqual([0, 0, 0]);
  });

  test('on the own thread it ends at once; the one that grows may be it', () => {
    const { one } = threads();
    const small = new Body(one, 1);
    const large = new Body(one, 1);
    expect(large.meter.holds(3 * MIB)).toBe(true);
    expect(small.meter.holds(1.5 * MIB)).toBe(true);
    expect(large.ended).not.toBeNull();
    expect(small.meter.holds(4 * MIB)).toBe(true);
    expect(small.meter.holds(4 * MIB + 1)).toBe(false);
    expect(small.ended).not.toBeNull();
  });

  test('over the limit of all the largest of the heaviest key ends', () => {
    const { one, two } = threads();
    const of = (thread: UnfinishedBodies, slot: number, mib: number): Body => {
      const body = new Body(thread, slot);
      expect(body.meter.holds(mib * MIB)).toBe(true);
      return body;
    };
    const heavy = [of(one, 1, 1), of(two, 1, 2), of(one, 1, 1)];
    const others = [2, 3, 4].map((slot) => of(one, slot, 3.5));
    const newcomer = new Body(one, 5);
    expect(newcomer.meter.holds(1.25 * MIB)).toBe(true);
    expect(newcomer.meter.holds(2 * MIB)).toBe(false);
    two.look();
    one.look();
    expect(newcomer.resumed).toBe(1);
    expect(heavy.map(({ ended }) => ended !== null)).toEqual([false, true, false]);
    expect([...others, newcomer].every(({ ended }) => ended === null)).toBe(true);
  });

  test('a body of the largest size always has room, also where a quarter is less', () => {
    const { one } = threads(4 * MIB, 3.1 * MIB);
    const body = new Body(one, 1);
    for (let bytes = 0; bytes <= 3.1 * MIB; bytes += 10_000) expect(body.meter.holds(bytes)).toBe(true);
    expect(body.meter.holds(3.1 * MIB)).toBe(true);
  });

  test('what was meant for one body never meets a later one in its place', () => {
    const { one, two, thread, memory } = threads();
    const doomed = new Body(two, 1);
    const small = new Body(one, 1);
    expect(doomed.meter.holds(3 * MIB)).toBe(true);
    expect(small.meter.holds(2 * MIB)).toBe(false);
    // It becomes whole before its thread looks.
    doomed.meter.done();
    const later = new Body(two, 1);
    expect(later.meter.holds(MIB)).toBe(true);
    two.look();
    expect(later.ended).toBeNull();
    // The thread dies; its successor begins with an empty table.
    releaseWorker(memory, 1);
    const successor = thread(1, 4);
    const last = new Body(successor, 1);
    expect(last.meter.holds(MIB)).toBe(true);
    memory.bodies[1]![3] = 2 * 2 ** 32 + 1;
    successor.look();
    expect(last.ended).toBeNull();
  });

  test('nor where the row changes hands while another thread looks for a victim', () => {
    const { two, memory } = threads();
    const victim = new Body(two, 1);
    expect(victim.meter.holds(3 * MIB)).toBe(true);
    let later: Body | null = null;
    // Between what is read of the row and what is written to it its body becomes whole, and another one begins.
    const racing = new Proxy(memory.bodies[1]!, {
      get(words, name) {
        const value: unknown = Reflect.get(words, name, words);
        if (name === String(BODY.bytes) && later === null) {
          victim.meter.done();
          later = new Body(two, 1);
          later.meter.holds(MIB);
        }
        return value;
      },
      set: (words, name, value) => Reflect.set(words, name, value, words),
    });
    const looking = new UnfinishedBodies({ ...memory, bodies: [memory.bodies[0]!, racing] }, 0, {
      maxBytes: 16 * MIB,
      maxBodyBytes: MIB,
      firstBirth: 4 * 2 ** 32,
    });
    const other = new Body(looking, 1);
    other.meter.holds(2 * MIB);
    expect(later).not.toBeNull();
    two.look();
    expect(later!.ended).toBeNull();
  });

  test('the room that was made for one that waits is not taken by those who come later', () => {
    const { one, two, three, memory } = threads();
    const victim = new Body(two, 1);
    const waiting = new Body(one, 1);
    expect(victim.meter.holds(3 * MIB)).toBe(true);
    expect(waiting.meter.holds(2 * MIB)).toBe(false);
    two.look();
    expect(victim.ended).not.toBeNull();
    // Over and over others come before the thread of the first looks: they would fit beside nothing, but not beside what waits.
    for (let round = 0; round < 5; round++) {
      const later = new Body(three, 1);
      expect(later.meter.holds(2.25 * MIB)).toBe(false);
      expect(later.ended).not.toBeNull();
    }
    one.look();
    expect([waiting.resumed, waiting.ended]).toEqual([1, null]);
    expect(waiting.meter.holds(2 * MIB)).toBe(true);
    expect([...memory.bodyBytes]).toEqual([2 * MIB, 0, 0]);
  });

  test('nor does it wait for what those doom who come later', () => {
    const { one, two, three } = threads();
    for (const thread of [two, three]) expect(new Body(thread, 1).meter.holds(2 * MIB)).toBe(true);
    const [first, second] = [new Body(one, 1), new Body(one, 1)];
    expect(first.meter.holds(MIB)).toBe(false);
    expect(second.meter.holds(1.25 * MIB)).toBe(false);
    two.look();
    one.look();
    expect([first.resumed, second.resumed]).toEqual([1, 0]);
    three.look();
    one.look();
    expect([first.resumed, second.resumed]).toEqual([1, 1]);
  });

  test('two that wait doom one body where one is enough, and both go on', () => {
    const { one, two, three, memory } = threads();
    const victims = [3, 0.5, 0.5].map((mib) => {
      const body = new Body(two, 1);
      expect(body.meter.holds(mib * MIB)).toBe(true);
      return body;
    });
    const [first, second] = [new Body(one, 1), new Body(three, 1)];
    expect(first.meter.holds(MIB)).toBe(false);
    expect(second.meter.holds(1.25 * MIB)).toBe(false);
    one.look();
    three.look();
    two.look();
    expect(victims.map(({ ended }) => ended !== null)).toEqual([true, false, false]);
    one.look();
    three.look();
    expect([first.resumed, second.resumed]).toEqual([1, 1]);
    expect([...memory.bodyBytes]).toEqual([MIB, MIB, 1.25 * MIB]);
  });

  test('what is doomed ends with its next byte, and has nobody else ended', () => {
    const { one, two, three } = threads();
    const doomed = new Body(two, 1);
    const other = new Body(three, 1);
    const waiting = new Body(one, 1);
    expect(other.meter.holds(MIB)).toBe(true);
    expect(doomed.meter.holds(2 * MIB)).toBe(true);
    expect(waiting.meter.holds(1.5 * MIB)).toBe(false);
    expect(doomed.meter.holds(4 * MIB)).toBe(false);
    expect(doomed.ended).not.toBeNull();
    three.look();
    one.look();
    expect([other.ended, waiting.ended, waiting.resumed]).toEqual([null, null, 1]);
  });

  test('one that waits goes on where the thread of its victim has died', () => {
    const { one, two, memory } = threads();
    expect(new Body(two, 1).meter.holds(3 * MIB)).toBe(true);
    const waiting = new Body(one, 1);
    expect(waiting.meter.holds(2 * MIB)).toBe(false);
    releaseWorker(memory, 1);
    one.look();
    expect(waiting.resumed).toBe(1);
  });

  test('property: none waits for longer than two beats, and all that may be held is within the limit', () => {
    const step = fc.record({
      thread: fc.nat({ max: 2 }),
      key: fc.nat({ max: 5 }),
      bytes: fc.integer({ min: 1, max: 3 * MIB }),
      action: fc.constantFrom('begin', 'send', 'send', 'send', 'finish', 'keep', 'release', 'look'),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { one, two, three, memory } = threads(12 * MIB, 3 * MIB);
        const all = [one, two, three];
        const senders: Sender[] = [];
        const kept: KeptBody[] = [];
        for (const { action, bytes, key, thread, which } of steps) {
          if (action === 'look') all[thread]!.look();
          else if (action === 'keep') kept.push(all[thread]!.keep(key, bytes, () => {}));
          else if (action === 'release') kept[which % kept.length]?.release();
          else if (action === 'begin') senders.push(new Sender(all[thread]!, key));
          else if (senders.length > 0) {
            const sender = senders[which % senders.length]!;
            if (action === 'finish') sender.finish();
            else sender.send(bytes);
          }
          const running = senders.filter(({ over }) => !over);
          const open = memory.bodiesOpen.reduce((sum, bodies) => sum + bodies);
          expect(open).toBeWithin(running.length, running.length + kept.length + 1);
        }
        for (let beat = 0; beat < 2; beat++) for (const bodies of all) bodies.look();
        expect(senders.filter(({ paused }) => paused)).toEqual([]);
        expect(memory.bodyBytes.reduce((sum, bytes) => sum + bytes)).toBeLessThanOrEqual(12 * MIB);
        for (const sender of senders) sender.finish();
        for (const body of kept) body.release();
        expect([...memory.bodyBytes, ...memory.bodyRows, ...memory.bodiesOpen]).toEqual(Array(9).fill(0));
      }),
      { numRuns: 300 },
    );
  });

  test('the table grows with the bodies, and is empty after them', () => {
    const { one, memory } = threads(1024 * MIB);
    const bodies = Array.from({ length: 900 }, () => new Body(one, 1));
    for (const body of bodies) expect(body.meter.holds(65 * 1024)).toBe(true);
    expect(memory.bodyRows[0]).toBe(900);
    for (const body of bodies.toReversed()) body.meter.done();
    expect(memory.bodyRows[0]).toBe(0);
    expect(memory.bodyBytes[0]).toBe(0);
  });
});

/** A whole body, and what its owner hears. */
class Keeper {
  readonly errors: GatewayError[] = [];
  readonly body: KeptBody;

  constructor(bodies: UnfinishedBodies, slot: number, bytes: number) {
    this.body = bodies.keep(slot, bytes, (error) => this.errors.push(error));
    // Its owner cannot have let go of what it has not been given yet.
    expect(this.errors).toEqual([]);
  }
}

describe('whole bodies that are kept', () => {
  test('count until they are released, once', async () => {
    const { one, memory } = threads();
    const [first, second] = [new Keeper(one, 1, MIB + 5), new Keeper(one, 2, 2 * MIB)];
    expect([memory.bodyBytes[0], memory.bodiesOpen[0], memory.bodyRows[0]]).toEqual([3 * MIB + 5, 2, 2]);
    for (let time = 0; time < 2; time++) {
      first.body.release();
      expect([memory.bodyBytes[0], memory.bodiesOpen[0]]).toEqual([2 * MIB, 1]);
    }
    second.body.release();
    one.look();
    await Promise.resolve();
    expect([memory.bodyBytes[0], memory.bodiesOpen[0], memory.bodyRows[0]]).toEqual([0, 0, 0]);
    expect([first.errors, second.errors]).toEqual([[], []]);
  });

  test('go for one that grows, on whichever thread that is', async () => {
    for (const same of [true, false]) {
      const { one, two, memory } = threads();
      const kept = new Keeper(two, 1, 3 * MIB);
      const growing = new Body(same ? two : one, 1);
      expect(growing.meter.holds(2 * MIB)).toBe(same);
      two.look();
      one.look();
      await Promise.resolve();
      expect(kept.errors).toMatchObject([{ code: 'bodies_over_budget' }]);
      expect([growing.ended, growing.resumed]).toEqual([null, same ? 0 : 1]);
      kept.body.release();
      growing.meter.done();
      two.look();
      await Promise.resolve();
      expect(kept.errors).toHaveLength(1);
      expect([...memory.bodyBytes, ...memory.bodiesOpen]).toEqual([0, 0, 0, 0, 0, 0]);
    }
  });

  test('have those end that hold most, at once or on their own thread, and wait for none', () => {
    const { one, two, memory } = threads();
    const [near, far] = [new Body(one, 1), new Body(two, 2)];
    for (const { meter } of [near, far]) expect(meter.holds(3 * MIB)).toBe(true);
    const first = new Keeper(one, 1, 2 * MIB);
    expect(near.ended).not.toBeNull();
    const second = new Keeper(one, 2, 2 * MIB);
    expect(far.ended).toBeNull();
    expect([...memory.bodyBytes]).toEqual([4 * MIB, 3 * MIB, 0]);
    // What is to go is counted on, and nothing else ends.
    const third = new Keeper(one, 2, MIB);
    two.look();
    expect(far.ended).not.toBeNull();
    expect([...memory.bodyBytes]).toEqual([5 * MIB, 0, 0]);
    for (const { errors } of [first, second, third]) expect(errors).toEqual([]);
  });

  test('may be the ones to go themselves, but are not told before they are kept', async () => {
    const { one, memory } = threads();
    const other = new Body(one, 1);
    expect(other.meter.holds(2 * MIB)).toBe(true);
    const [kept, unwanted] = [new Keeper(one, 1, 3 * MIB), new Keeper(one, 1, 4 * MIB)];
    expect([memory.bodyBytes[0], memory.bodiesOpen[0]]).toEqual([2 * MIB, 1]);
    // Nobody hears of what he has let go.
    unwanted.body.release();
    await Promise.resolve();
    expect(kept.errors).toMatchObject([{ code: 'bodies_over_budget' }]);
    expect(unwanted.errors).toEqual([]);
    kept.body.release();
    expect([memory.bodyBytes[0], memory.bodiesOpen[0], other.ended]).toEqual([2 * MIB, 1, null]);
  });
});
