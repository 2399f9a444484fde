import { afterEach, describe, expect, test } from 'bun:test';
import type { ErrorCode } from '../errors/catalogue.ts';
import type { UnclaimedReason } from '../shared/labels.ts';
import { PeerHub } from '../shared/peer-hub.ts';
import type { SharedResponse, AnswerConsumer, AnswerMeta } from './shared-response.ts';
import { ClaimTable } from './claim-table.ts';
import { DedupTable, MAX_ATTEMPTS, type Lead } from './dedup-table.ts';
import { ReplayBudget } from './replay-budget.ts';
import { until } from '../std/testing/until.ts';

const HASH = new Uint8Array(32).fill(9);
const HEAD = { status: 200, fields: '', streamed: true } as const;

/** One client of an answer, as text and ending; `room` chunks before it is full. */
class Client implements AnswerConsumer {
  readonly ended = Promise.withResolvers<string>();
  text = '';
  room = Number.POSITIVE_INFINITY;

  onHead(): void {}

  onBytes(chunk: Uint8Array): boolean {
    this.text += Buffer.from(chunk).toString();
    return --this.room > 0;
  }

  onEnd(meta: AnswerMeta | null): void {
    this.ended.resolve(`end:${meta?.costNanoUsd ?? ''}`);
  }

  onError(code: ErrorCode): void {
    this.ended.resolve(`error:${code}`);
  }

  onGone(last: boolean): void {
    this.ended.resolve(`gone:${last}`);
  }
}

interface Side {
  readonly table: DedupTable;
  readonly hub: PeerHub;
  readonly unclaimed: UnclaimedReason[];
  readonly budget: Float64Array;
}

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** Tables of as many threads, linked to each other, on one claim table. */
function tables(count: number, clock = { ms: 0 }): { sides: Side[]; words: Uint32Array } {
  const words = new Uint32Array(new SharedArrayBuffer(1024 * 4));
  const sides = Array.from({ length: count }, (_, index): Side => {
    const unclaimed: UnclaimedReason[] = [];
    const budget = new Float64Array(count);
    const hub = new PeerHub();
    const table = new DedupTable({
      claims: new ClaimTable(words, index + 1),
      peers: hub,
      budget: new ReplayBudget(budget, index),
      ttlMs: 1_000,
      now: () => clock.ms,
      onUnclaimed: (reason) => unclaimed.push(reason),
    });
    open.push(table, hub);
    return { table, hub, unclaimed, budget };
  });
  for (let one = 0; one < count; one++) {
    for (let other = one + 1; other < count; other++) {
      const { port1, port2 } = new MessageChannel();
      sides[one]!.hub.add(other + 1, port1);
      sides[other]!.hub.add(one + 1, port2);
    }
  }
  return { sides, words };
}

function lead(side: Side): Lead {
  const found = side.table.acquire(HASH, 0);
  if (found.role !== 'leader') throw new Error('expected to lead');
  return found;
}

function follow(side: Side, attempt = 0): SharedResponse {
  const found = side.table.acquire(HASH, attempt);
  if (found.role !== 'follower') throw new Error('expected to follow');
  return found.answer;
}

describe('DedupTable', () => {
  test.each(Array.from(HASH, (_, at) => at))(
    'a request whose hash differs in byte %p alone is another call, on its own thread and on another',
    async (at) => {
      const other = HASH.slice();
      other[at]! ^= 1;
      const alone = tables(1).sides[0]!;
      const first = lead(alone);
      const second = alone.table.acquire(other, 0);
      expect(second.role).toBe('leader');
      expect(second.answer).not.toBe(first.answer);

      const [leads, follows] = tables(2).sides as [Side, Side];
      lead(leads);
      const followed = follow(follows);
      const found = follows.table.acquire(other, 0);
      expect(found.answer).not.toBe(followed);
      if (found.role === 'leader') return;
      // The claim table knows a part of the hash only; whoever leads there knows better.
      const client = new Client();
      found.answer.attach(client);
      expect(await client.ended.promise).toBe('gone:false');
    },
  );

  test('same thread: the second request follows, and after the release the next one leads', () => {
    const { sides, words } = tables(1);
    const leader = lead(sides[0]!);
    expect(follow(sides[0]!)).toBe(leader.answer);
    leader.release();
    expect(words.every((word) => word === 0)).toBe(true);
    expect(sides[0]!.table.acquire(HASH, 0).role).toBe('leader');
  });

  test('other thread: one follower object however many requests, everything replayed and relayed', async () => {
    const { sides } = tables(2);
    const leader = lead(sides[0]!);
    leader.answer.head(HEAD);
    leader.answer.append(Buffer.from('early '));
    const answer = follow(sides[1]!);
    expect(follow(sides[1]!)).toBe(answer);
    const [one, two] = [new Client(), new Client()];
    answer.attach(one);
    answer.attach(two);
    await until(() => one.text === 'early ');
    leader.answer.append(Buffer.from('late'));
    leader.release();
    leader.answer.end({ costNanoUsd: 5, cacheReadTokens: 1 });
    expect(await Promise.all([one.ended.promise, two.ended.promise])).toEqual(['end:5', 'end:5']);
    expect([one.text, two.text]).toEqual(['early late', 'early late']);
    expect(sides[1]!.table.sizes).toEqual({ led: 0, followed: 0, remote: 0 });
    expect(sides[0]!.table.sizes.remote).toBe(0);
  });

  test("a vendor's error reaches followers on other threads", async () => {
    const { sides } = tables(2);
    const leader = lead(sides[0]!);
    const client = new Client();
    follow(sides[1]!).attach(client);
    await until(() => sides[0]!.table.sizes.remote === 1);
    leader.release();
    leader.answer.fail('upstream_closed', 'gone');
    expect(await client.ended.promise).toBe('error:upstream_closed');
  });

  test('a leader that gives up sends GONE, here and elsewhere', async () => {
    const { sides, words } = tables(2);
    const leader = lead(sides[0]!);
    const [here, there] = [new Client(), new Client()];
    follow(sides[0]!).attach(here);
    follow(sides[1]!).attach(there);
    await until(() => sides[0]!.table.sizes.remote === 1);
    leader.gone();
    expect(await here.ended.promise).toBe('gone:false');
    expect(await there.ended.promise).toBe('gone:false');
    expect(words.every((word) => word === 0)).toBe(true);
  });

  test('a join that comes too late is told GONE, and the next look leads', async () => {
    const { sides } = tables(2);
    const leader = lead(sides[0]!);
    const client = new Client();
    follow(sides[1]!).attach(client);
    // The message is on its way when the call ends.
    leader.release();
    leader.answer.end(null);
    expect(await client.ended.promise).toBe('gone:false');
    expect(sides[1]!.table.acquire(HASH, 1).role).toBe('leader');
  });

  test('a thread that does not answer is left, and its claim is not looked at again', async () => {
    const { sides, words } = tables(1);
    const { port1, port2 } = new MessageChannel();
    // Nobody listens at the other end.
    sides[0]!.hub.add(7, port1);
    new ClaimTable(words, 7).claim(HASH);
    const client = new Client();
    follow(sides[0]!).attach(client);
    expect(await client.ended.promise).toBe('gone:true');
    expect(sides[0]!.unclaimed).toEqual(['timeout']);
    expect(sides[0]!.table.acquire(HASH, MAX_ATTEMPTS).role).toBe('leader');
    // Unclaimed, but requests of this thread still share it.
    expect(sides[0]!.table.acquire(HASH, 0).role).toBe('follower');
    port2.close();
  });

  test('a claim of a thread that is not known yet leads unclaimed', () => {
    const { sides, words } = tables(1);
    new ClaimTable(words, 9).claim(HASH);
    expect(sides[0]!.table.acquire(HASH, 0).role).toBe('leader');
    expect(sides[0]!.unclaimed).toEqual(['no_peer']);
  });

  test('past the TTL a call is no longer joined', () => {
    const clock = { ms: 0 };
    const { sides, words } = tables(1, clock);
    lead(sides[0]!);
    clock.ms = 1_001;
    sides[0]!.table.expire();
    expect(words.every((word) => word === 0)).toBe(true);
    expect(sides[0]!.table.acquire(HASH, 0).role).toBe('leader');
  });

  test('an answer that outgrows its replay buffer is released', () => {
    const { sides, words } = tables(1);
    const leader = lead(sides[0]!);
    const client = new Client();
    leader.answer.attach(client);
    leader.answer.head(HEAD);
    for (let index = 0; index < 9; index++) leader.answer.append(new Uint8Array(1024 * 1024));
    expect(words.every((word) => word === 0)).toBe(true);
    expect(sides[0]!.table.acquire(HASH, 0).role).toBe('leader');
    expect(sides[0]!.budget[0]).toBe(0);
  });

  test('a dead peer: followers without a byte look again, others end with an error, served ones are dropped', async () => {
    const { sides } = tables(3);
    const leader = lead(sides[0]!);
    const waiting = new Client();
    follow(sides[1]!).attach(waiting);
    const begun = new Client();
    follow(sides[2]!).attach(begun);
    await until(() => sides[0]!.table.sizes.remote === 2);
    sides[1]!.hub.dead(1);
    expect(await waiting.ended.promise).toBe('gone:false');
    leader.answer.head(HEAD);
    leader.answer.append(Buffer.from('x'));
    await until(() => begun.text === 'x');
    sides[2]!.hub.dead(1);
    expect(await begun.ended.promise).toBe('error:upstream_closed');
    let abandoned = false;
    leader.answer.producer = {
      onDemand: () => {},
      onAbandoned: () => {
        abandoned = true;
      },
    };
    sides[0]!.hub.dead(2);
    sides[0]!.hub.dead(3);
    expect(sides[0]!.table.sizes.remote).toBe(0);
    expect(abandoned).toBe(true);
  });

  test('when the last follower of a call leaves, the other thread learns of it', async () => {
    const { sides } = tables(2);
    const leader = lead(sides[0]!);
    let abandoned = false;
    leader.answer.producer = {
      onDemand: () => {},
      onAbandoned: () => {
        abandoned = true;
      },
    };
    const cursor = follow(sides[1]!).attach(new Client());
    await until(() => sides[0]!.table.sizes.remote === 1);
    cursor.detach();
    await until(() => abandoned);
    expect(sides[1]!.table.sizes.followed).toBe(0);
  });

  test('a stalled client on another thread stops the producer: memory stays flat on both', async () => {
    const { sides } = tables(2);
    const leader = lead(sides[0]!);
    let wanted = true;
    leader.answer.producer = {
      onDemand: (now) => {
        wanted = now;
      },
      onAbandoned: () => {},
    };
    const client = new Client();
    client.room = 1;
    const cursor = follow(sides[1]!).attach(client);
    await until(() => sides[0]!.table.sizes.remote === 1);
    leader.answer.head(HEAD);
    const chunk = new Uint8Array(64 * 1024).fill(97);
    let sent = 0;
    // The producer stops soon after it is told to; a megabyte is what two windows and their water marks allow.
    const deadline = performance.now() + 2_000;
    while (performance.now() < deadline) {
      if (wanted) {
        leader.answer.append(chunk);
        sent += chunk.byteLength;
      } else if (sent > 0) {
        await Bun.sleep(5);
        if (!wanted) break;
      }
      await Bun.sleep(0);
    }
    expect(wanted).toBe(false);
    expect(sent).toBeLessThan(1_500_000);
    client.room = Number.POSITIVE_INFINITY;
    cursor.resume();
    await until(() => client.text.length === sent && wanted);
    leader.release();
    leader.answer.end(null);
    expect(await client.ended.promise).toBe('end:');
    expect(client.text.length).toBe(sent);
  });
});
