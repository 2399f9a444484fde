import { afterEach, describe, expect, test } from 'bun:test';
import { PortCalls, type PortCallsOptions } from './port-calls.ts';
import { until } from './testing/until.ts';

interface Question {
  readonly id: number;
  readonly text: string;
}
interface Reply {
  readonly id: number;
  readonly answer: string;
}

const OPTIONS: PortCallsOptions<Question> = {
  maxWaiting: 2,
  deadlineMs: 10_000,
  crowded: () => new Error('crowded'),
  overdue: ({ text }) => new Error(`overdue: ${text}`),
};
const SHORT = { ...OPTIONS, deadlineMs: 10 };

const stopped = ({ text }: Question): Error => new Error(`stopped: ${text}`);
const question =
  (text: string) =>
  (id: number): Question => ({ id, text });
const failure = (promise: Promise<Reply>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: Error) => error.message,
  );

/** Calls by way of a function that notes what it was given. */
function noted(options = OPTIONS) {
  const asked: Question[] = [];
  const calls = new PortCalls<Question, Reply>((request) => asked.push(request), options);
  return { asked, calls };
}

/** The far end of a port; answers everything with its name, if it has one. */
class Desk {
  readonly asked: Question[] = [];
  readonly port: MessagePort;
  readonly #own: MessagePort;

  constructor(name: string | null) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.#own = port2;
    port2.onmessage = ({ data }: MessageEvent<Question>) => {
      this.asked.push(data);
      if (name !== null) port2.postMessage({ id: data.id, answer: `${name}: ${data.text}` });
    };
  }

  close(): void {
    this.#own.close();
  }
}

const desks: Desk[] = [];
const newDesk = (name: string | null): Desk => {
  const desk = new Desk(name);
  desks.push(desk);
  return desk;
};
afterEach(() => {
  for (const desk of desks.splice(0)) desk.close();
});

describe('PortCalls', () => {
  test('each reply finds its own call, whatever the order', async () => {
    const { asked, calls } = noted({ ...OPTIONS, firstId: 7 });
    const [one, two] = [calls.ask(question('one')), calls.ask(question('two'))];
    expect(asked).toEqual([
      { id: 7, text: 'one' },
      { id: 8, text: 'two' },
    ]);
    calls.settle({ id: 8, answer: 'second' });
    calls.settle({ id: 7, answer: 'first' });
    expect((await one).answer).toBe('first');
    expect((await two).answer).toBe('second');
  });

  test('a reply that comes before the call has returned is taken', async () => {
    const calls: PortCalls<Question, Reply> = new PortCalls<Question, Reply>(
      ({ id }) => calls.settle({ id, answer: 'at once' }),
      OPTIONS,
    );
    expect((await calls.ask(question('one'))).answer).toBe('at once');
  });

  test('over the bound a call fails and is not sent; a reply makes room', async () => {
    const { asked, calls } = noted();
    const waiting = [calls.ask(question('one')), calls.ask(question('two'))];
    expect(await failure(calls.ask(question('three')))).toBe('crowded');
    expect(asked).toHaveLength(2);
    calls.settle({ id: 1, answer: '' });
    await waiting[0];
    const four = calls.ask(question('four'));
    expect(asked.at(-1)!.text).toBe('four');
    calls.close(stopped);
    expect(await failure(four)).toBe('stopped: four');
    expect(await failure(waiting[1]!)).toBe('stopped: two');
  });

  test('past the deadline a call fails and its room is free; the late reply is dropped', async () => {
    const { calls } = noted(SHORT);
    expect(await Promise.all(['one', 'two'].map((text) => failure(calls.ask(question(text)))))).toEqual([
      'overdue: one',
      'overdue: two',
    ]);
    const three = calls.ask(question('three'));
    calls.settle({ id: 1, answer: 'late' });
    calls.settle({ id: 99, answer: 'never asked' });
    calls.settle({ id: 3, answer: 'in time' });
    expect((await three).answer).toBe('in time');
  });

  describe('who has given up and asked to be told', () => {
    async function givenUp() {
      const { calls } = noted(SHORT);
      const told: (string | null)[] = [];
      await failure(calls.ask(question('one'), (reply) => told.push(reply && reply.answer)));
      expect(told).toEqual([]);
      return { calls, told };
    }

    test('hears of the late reply, once', async () => {
      const { calls, told } = await givenUp();
      calls.settle({ id: 1, answer: 'late' });
      calls.settle({ id: 1, answer: 'again' });
      calls.reconnect(() => {}, 'again');
      expect(told).toEqual(['late']);
    });

    test('hears that there will be none when the target has a successor, which is not asked', async () => {
      const { calls, told } = await givenUp();
      const asked: Question[] = [];
      calls.reconnect((request) => asked.push(request), 'again');
      expect(told).toEqual([null]);
      expect(asked).toEqual([]);
    });

    test('hears nothing after the end, nor of a reply in time', async () => {
      const { calls, told } = await givenUp();
      calls.close(stopped);
      calls.settle({ id: 1, answer: 'late' });
      const inTime = calls.ask(question('two'), () => told.push('of what was answered'));
      calls.settle({ id: 2, answer: '' });
      await inTime;
      calls.reconnect(() => {}, 'again');
      expect(told).toEqual([]);
    });
  });

  test('a successor is asked what waits, by the same ids', async () => {
    const { calls } = noted();
    const answers = [calls.ask(question('one')), calls.ask(question('two'))];
    calls.settle({ id: 1, answer: 'of the old one' });
    const asked: Question[] = [];
    calls.reconnect((request) => asked.push(request), 'again');
    expect(asked).toEqual([{ id: 2, text: 'two' }]);
    calls.settle({ id: 2, answer: 'of the new one' });
    expect((await Promise.all(answers)).map(({ answer }) => answer)).toEqual([
      'of the old one',
      'of the new one',
    ]);
  });

  test('a call keeps the deadline it had when a successor is asked', async () => {
    const { calls } = noted(SHORT);
    const call = failure(calls.ask(question('one')));
    calls.reconnect(() => {}, 'again');
    expect(await call).toBe('overdue: one');
  });

  test('or what waits fails, and the successor gets what comes after', async () => {
    const { calls } = noted();
    const lost = calls.ask(question('one'));
    const asked: Question[] = [];
    calls.reconnect(
      (request) => asked.push(request),
      ({ text }) => new Error(`lost: ${text}`),
    );
    expect(await failure(lost)).toBe('lost: one');
    const next = calls.ask(question('two'));
    expect(asked).toEqual([{ id: 2, text: 'two' }]);
    calls.settle({ id: 2, answer: 'here' });
    expect((await next).answer).toBe('here');
  });

  test('over ports: replies come by themselves, and the port of a dead target is closed', async () => {
    const silent = newDesk(null);
    const calls = new PortCalls<Question, Reply>(silent.port, OPTIONS);
    const call = calls.ask(question('one'));
    await until(() => silent.asked.length === 1);
    const successor = newDesk('successor');
    calls.reconnect(successor.port, 'again');
    expect((await call).answer).toBe('successor: one');
    expect((await calls.ask(question('two'))).answer).toBe('successor: two');
    const cut = calls.ask(question('three'));
    calls.close(stopped);
    expect(await failure(cut)).toBe('stopped: three');
    expect(silent.asked).toHaveLength(1);
  });
});
