import { afterEach, describe, expect, test } from 'bun:test';
import { GatewayError } from '../errors/gateway-error.ts';
import type { CountQuestion } from '../pipeline/count-question.ts';
import { PreparerClient } from './client.ts';
import type { Order, Reply } from './protocol.ts';
import { until } from '../std/testing/until.ts';

/** The other end of a port: a preparer in the hands of the test. */
class Bench {
  readonly #port: MessagePort;
  readonly orders: Order[] = [];
  readonly port: MessagePort;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.#port = port2;
    port2.onmessage = (event: MessageEvent<Order>) => this.orders.push(event.data);
  }

  reply(reply: Reply): void {
    this.#port.postMessage(reply);
  }

  close(): void {
    this.#port.close();
  }

  /** Text of the bodies that have been handed over, in that order; `-` for a cancellation. */
  get heard(): string {
    return this.orders
      .map((order) =>
        order.type === 'work' && order.work.kind === 'count'
          ? Buffer.from(order.work.body.subarray(0, 1)).toString()
          : '-',
      )
      .join('');
  }
}

const benches: Bench[] = [];
const clients: PreparerClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const bench of benches.splice(0)) bench.close();
});

const newBench = (): Bench => {
  const bench = new Bench();
  benches.push(bench);
  return bench;
};
const newClient = (deadlineMs = 60_000): PreparerClient => {
  const client = new PreparerClient(7_000, deadlineMs);
  clients.push(client);
  return client;
};
const bodyOf = (text: string): Uint8Array => new Uint8Array(100_000).fill(text.charCodeAt(0));
const product = (model: string): CountQuestion => ({ model, body: new Uint8Array(1), estimate: 1 });
const codeOf = async (result: Promise<unknown>): Promise<string> => {
  try {
    await result;
  } catch (error) {
    return error instanceof GatewayError ? error.code : String(error);
  }
  return 'done';
};
const left = (): GatewayError => new GatewayError('client_closed_request', 'left');

describe('the preparer, as a proxy thread sees it', () => {
  test('has one body at a time, one key after the other', async () => {
    const client = newClient();
    const bench = newBench();
    const results = ['a', 'b', 'c', 'x', 'y'].map(
      (name) => client.count(bodyOf(name), name < 'x' ? 1 : 2).result,
    );
    expect(client.size).toBe(5);
    client.connect(bench.port);
    for (let turn = 0; turn < 5; turn++) {
      await until(() => bench.orders.length > turn);
      expect(bench.orders).toHaveLength(turn + 1);
      const { id } = bench.orders[turn]!;
      bench.reply({ id, product: product(String(turn)) });
    }
    const models = await Promise.all(results.map((result) => result.then(({ model }) => model)));
    expect(bench.heard).toBe('axbyc');
    expect(models).toEqual(['0', '2', '4', '1', '3']);
    expect(client.size).toBe(0);
  });

  test('is given the memory itself, but for a piece of what is not only the body', async () => {
    const client = newClient();
    const bench = newBench();
    client.connect(bench.port);
    const own = bodyOf('a');
    const whole = bodyOf('w');
    const piece = whole.subarray(10, 90_000);
    const first = client.count(own, 1);
    const second = client.count(piece, 1);
    expect([own.byteLength, whole.byteLength]).toEqual([0, 100_000]);
    await until(() => bench.orders.length > 0);
    bench.reply({ id: bench.orders[0]!.id, product: product('m') });
    await first.result;
    await until(() => bench.orders.length > 1);
    bench.reply({ id: bench.orders[1]!.id, product: product('m') });
    await second.result;
    expect(bench.heard).toBe('aw');
    expect(whole.every((byte) => byte === 'w'.charCodeAt(0))).toBe(true);
  });

  test('tells faults and defects apart', async () => {
    const client = newClient();
    const bench = newBench();
    client.connect(bench.port);
    const bad = client.count(bodyOf('a'), 1);
    const broken = client.count(bodyOf('b'), 1);
    await until(() => bench.orders.length > 0);
    bench.reply({
      id: bench.orders[0]!.id,
      fault: { code: 'invalid_value', message: 'no', param: 'messages' },
    });
    expect(await bad.result.catch((error: unknown) => error)).toMatchObject({
      code: 'invalid_value',
      message: 'no',
      param: 'messages',
    });
    await until(() => bench.orders.length > 1);
    bench.reply({ id: bench.orders[1]!.id, defect: 'TypeError: at …' });
    expect(await codeOf(broken.result)).toBe('Error: TypeError: at …');
  });

  test('hears that what waits, or is worked on, is not wanted any more', async () => {
    const client = newClient();
    const bench = newBench();
    client.connect(bench.port);
    const [first, second, third] = ['a', 'b', 'c'].map((name) => client.count(bodyOf(name), 1));
    first!.cancel(left());
    second!.cancel(left());
    expect(await codeOf(first!.result)).toBe('client_closed_request');
    expect(await codeOf(second!.result)).toBe('client_closed_request');
    // The one that is worked on ends when the preparer says so, and only then comes the next.
    await until(() => bench.orders.length > 1);
    expect([bench.heard, client.size]).toEqual(['a-', 2]);
    bench.reply({ id: bench.orders[0]!.id, cancelled: true });
    await until(() => bench.orders.length > 2);
    bench.reply({ id: bench.orders[2]!.id, product: product('m') });
    await third!.result;
    third!.cancel(left());
    expect([bench.heard, client.size]).toEqual(['a-c', 0]);
  });

  test('is not waited for without an end', async () => {
    const client = newClient(20);
    const waiting = client.count(bodyOf('a'), 1);
    expect(await codeOf(waiting.result)).toBe('preparation_unavailable');
    expect(client.size).toBe(0);
  });

  test('takes no more than the body it had with it', async () => {
    const client = newClient();
    const old = newBench();
    const next = newBench();
    client.connect(old.port);
    const lost = client.count(bodyOf('a'), 1);
    const kept = client.count(bodyOf('b'), 1);
    await until(() => old.orders.length > 0);
    client.connect(next.port);
    expect(await codeOf(lost.result)).toBe('preparation_unavailable');
    await until(() => next.orders.length > 0);
    old.reply({ id: next.orders[0]!.id, product: product('late') });
    next.reply({ id: old.orders[0]!.id, product: product('of another') });
    next.reply({ id: next.orders[0]!.id, product: product('m') });
    expect((await kept.result).model).toBe('m');
    expect([old.heard, next.heard]).toEqual(['a', 'b']);
  });

  test('lets everybody go at the stop', async () => {
    const client = newClient();
    const bench = newBench();
    client.connect(bench.port);
    const all = ['a', 'b'].map((name) => codeOf(client.count(bodyOf(name), 1).result));
    client.close();
    expect(await Promise.all(all)).toEqual(['shutting_down', 'shutting_down']);
  });
});
