import { afterEach, describe, expect, test } from 'bun:test';
import { StorageClient, StorageTimeout } from './client.ts';
import type { StorageReply, StorageRequest } from './protocol.ts';
import { keyRecord } from '../keys/testing/keys.ts';
import { until } from '../std/testing/until.ts';

const KEY = keyRecord();

/** A storage thread that answers when it is told to, or always. */
class Desk {
  readonly requests: StorageRequest[] = [];
  readonly port: MessagePort;
  answers = false;
  readonly #own: MessagePort;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.#own = port2;
    port2.onmessage = ({ data }: MessageEvent<StorageRequest>) => {
      this.requests.push(data);
      if (this.answers) this.answer({ id: data.id, ok: true, result: null });
    };
  }

  answer(reply: StorageReply): void {
    this.#own.postMessage(reply);
  }

  close(): void {
    this.#own.close();
  }
}

const desks: Desk[] = [];
const newDesk = (): Desk => {
  const desk = new Desk();
  desks.push(desk);
  return desk;
};
afterEach(() => {
  for (const desk of desks.splice(0)) desk.close();
});

describe('a change that is not answered in time', () => {
  /** One whose caller has given up; `told` counts what it hears afterwards. */
  async function givenUp() {
    const desk = newDesk();
    const client = new StorageClient(desk.port, 20);
    const state = { told: 0 };
    const update = client.updateKey(KEY.id, { rpm: 1 }, () => state.told++);
    expect(await update.catch((error: unknown) => error)).toBeInstanceOf(StorageTimeout);
    await until(() => desk.requests.length === 1);
    expect(state.told).toBe(0);
    return { client, desk, id: desk.requests[0]!.id, state };
  }

  test('is told of when it was made after all, once', async () => {
    const { client, desk, id, state } = await givenUp();
    desk.answer({ id, ok: true, result: KEY });
    desk.answer({ id, ok: true, result: KEY });
    await until(() => state.told > 0);
    client.reconnect(newDesk().port);
    expect(state.told).toBe(1);
    client.close();
  });

  test('is not when storage did not make it', async () => {
    const { client, desk, id, state } = await givenUp();
    desk.answer({ id, ok: false, message: 'locked' });
    // An answer to a later call says that the one before it has come.
    desk.answers = true;
    const asked = (): Promise<boolean> =>
      client.findKeyById(KEY.id).then(
        () => true,
        () => false,
      );
    while (!(await asked()));
    client.reconnect(newDesk().port);
    expect(state.told).toBe(0);
    client.close();
  });

  test('is when its storage thread died and will tell nobody; the new one is not asked for it', async () => {
    const { client, state } = await givenUp();
    const successor = newDesk();
    client.reconnect(successor.port);
    expect(state.told).toBe(1);
    void client.findKeyById(KEY.id).catch(() => null);
    await until(() => successor.requests.length === 1);
    expect(successor.requests[0]!.call.op).toBe('findById');
    client.close();
  });
});
