import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { ErrorCode } from '../errors/catalogue.ts';
import { SharedResponse, type AnswerConsumer, type AnswerHead, type AnswerMeta } from './shared-response.ts';
import { ReplayBudget } from './replay-budget.ts';

const HEAD: AnswerHead = { status: 200, fields: '', streamed: true };
const bytes = (size: number, fill = 1): Uint8Array => new Uint8Array(size).fill(fill);

/** Records what it is told; takes `room` chunks before it is full. */
class Recorder implements AnswerConsumer {
  readonly log: string[] = [];
  readonly chunks: Uint8Array[] = [];
  room = Number.POSITIVE_INFINITY;

  onHead(): void {
    this.log.push('head');
  }

  onBytes(chunk: Uint8Array): boolean {
    this.log.push('bytes');
    this.chunks.push(chunk);
    return --this.room > 0;
  }

  onEnd(meta: AnswerMeta | null): void {
    this.log.push(`end:${meta?.costNanoUsd ?? 'none'}`);
  }

  onError(code: ErrorCode): void {
    this.log.push(`error:${code}`);
  }

  onGone(last: boolean): void {
    this.log.push(last ? 'gone:last' : 'gone');
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

describe('SharedResponse', () => {
  test('a late client gets head and all earlier bytes first', () => {
    const answer = new SharedResponse();
    const early = new Recorder();
    answer.attach(early);
    answer.head(HEAD);
    answer.append(Buffer.from('one '));
    const late = new Recorder();
    answer.attach(late);
    answer.append(Buffer.from('two'));
    answer.end({ costNanoUsd: 7, cacheReadTokens: null });
    expect(early.text).toBe('one two');
    expect(late.text).toBe('one two');
    expect(late.log).toEqual(['head', 'bytes', 'bytes', 'end:7']);
  });

  test('a blocked client delays nobody and goes on where it stopped', () => {
    const answer = new SharedResponse();
    const fast = new Recorder();
    const slow = new Recorder();
    slow.room = 1;
    answer.attach(fast);
    const cursor = answer.attach(slow);
    answer.head(HEAD);
    for (const text of ['a', 'b', 'c']) answer.append(Buffer.from(text));
    answer.end(null);
    expect(fast.text).toBe('abc');
    expect(slow.text).toBe('a');
    slow.room = Number.POSITIVE_INFINITY;
    cursor.resume();
    expect(slow.text).toBe('abc');
    expect(slow.log.at(-1)).toBe('end:none');
  });

  test('the producer stops when every client is far behind, and goes on when one is not', () => {
    const answer = new SharedResponse();
    const demands: boolean[] = [];
    answer.producer = { onDemand: (wanted) => void demands.push(wanted), onAbandoned: () => {} };
    const client = new Recorder();
    client.room = 1;
    const cursor = answer.attach(client);
    answer.head(HEAD);
    for (let index = 0; index < 40 && demands.length === 0; index++) answer.append(bytes(64 * 1024));
    expect(demands).toEqual([false]);
    // The producer has stopped, so what lies here is bounded by the water mark and one more read.
    expect(answer.keptBytes).toBeLessThanOrEqual(448 * 1024);
    client.room = Number.POSITIVE_INFINITY;
    cursor.resume();
    expect(demands).toEqual([false, true]);
  });

  test('a second client that takes bytes keeps the producer going', () => {
    const answer = new SharedResponse();
    const demands: boolean[] = [];
    answer.producer = { onDemand: (wanted) => void demands.push(wanted), onAbandoned: () => {} };
    const stalled = new Recorder();
    stalled.room = 1;
    answer.attach(stalled);
    answer.attach(new Recorder());
    answer.head(HEAD);
    for (let index = 0; index < 20; index++) answer.append(bytes(64 * 1024));
    expect(demands).toEqual([]);
  });

  test('the last client leaving abandons the call, once', () => {
    const answer = new SharedResponse();
    let abandoned = 0;
    answer.producer = { onDemand: () => {}, onAbandoned: () => void abandoned++ };
    const one = answer.attach(new Recorder());
    const two = answer.attach(new Recorder());
    one.detach();
    expect(abandoned).toBe(0);
    two.detach();
    two.detach();
    expect(abandoned).toBe(1);
  });

  test('past its limit nobody can join, delivered bytes are dropped, and who lags by more ends', () => {
    const limit = 1024;
    const answer = new SharedResponse(null, limit);
    let closed = 0;
    answer.owner = { onNotJoinable: () => void closed++ };
    const slow = new Recorder();
    slow.room = 1;
    answer.attach(slow);
    const fast = new Recorder();
    answer.attach(fast);
    answer.head(HEAD);
    for (let index = 0; index < 10; index++) answer.append(bytes(512));
    expect(closed).toBe(1);
    expect(answer.joinable).toBe(false);
    expect(slow.log.at(-1)).toBe('error:follower_too_slow');
    answer.end(null);
    expect(Buffer.concat(fast.chunks).length).toBe(5_120);
    expect(fast.log.at(-1)).toBe('end:none');
  });

  test('the budget of the thread closes answers to joiners and gets everything back', () => {
    const words = new Float64Array(2);
    const budget = new ReplayBudget(words, 1, 2_000);
    const answer = new SharedResponse(budget);
    const client = new Recorder();
    answer.attach(client);
    answer.head(HEAD);
    answer.append(bytes(900));
    expect(words[1]).toBe(900);
    expect(answer.joinable).toBe(true);
    answer.append(bytes(900));
    expect(answer.joinable).toBe(false);
    expect(words[1]).toBe(0);
    answer.append(bytes(900));
    answer.end(null);
    expect([...words]).toEqual([0, 0]);
    expect(client.log.at(-1)).toBe('end:none');
  });

  test('a client that leaves in the middle gives its bytes back', () => {
    const words = new Float64Array(1);
    const answer = new SharedResponse(new ReplayBudget(words, 0));
    answer.producer = {
      onDemand: () => {},
      onAbandoned: () => answer.fail('client_closed_request', 'nobody listens'),
    };
    const client = new Recorder();
    client.room = 1;
    const cursor = answer.attach(client);
    answer.head(HEAD);
    answer.append(bytes(100));
    answer.append(bytes(100));
    cursor.detach();
    expect(words[0]).toBe(0);
  });

  test('gone tells every client to look again, and whether it is the last look', () => {
    const answer = new SharedResponse();
    const client = new Recorder();
    answer.attach(client);
    answer.gone(true);
    expect(client.log).toEqual(['gone:last']);
  });

  test('whatever the order of appends, blocks and joins, each client gets a prefix, and all of it by the end', () => {
    const action = fc.oneof(
      fc.record({ t: fc.constant('append' as const), size: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ t: fc.constant('join' as const), room: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ t: fc.constant('resume' as const), who: fc.nat(5), room: fc.integer({ min: 1, max: 4 }) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const answer = new SharedResponse();
        const clients: { recorder: Recorder; cursor: ReturnType<SharedResponse['attach']> }[] = [];
        answer.head(HEAD);
        let sent = '';
        for (const step of actions) {
          if (step.t === 'append') {
            const text = String.fromCharCode(97 + (sent.length % 26)).repeat(step.size);
            sent += text;
            answer.append(Buffer.from(text));
          } else if (step.t === 'join') {
            const recorder = new Recorder();
            recorder.room = step.room;
            clients.push({ recorder, cursor: answer.attach(recorder) });
          } else {
            const client = clients[step.who];
            if (client === undefined) continue;
            client.recorder.room = step.room;
            client.cursor.resume();
          }
          for (const { recorder } of clients) expect(sent.startsWith(recorder.text)).toBe(true);
        }
        answer.end(null);
        for (const { recorder, cursor } of clients) {
          recorder.room = Number.POSITIVE_INFINITY;
          cursor.resume();
          expect(recorder.text).toBe(sent);
          expect(recorder.log.filter((line) => line.startsWith('end'))).toHaveLength(1);
        }
        expect(answer.keptBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
