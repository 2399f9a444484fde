import { expect, test } from 'bun:test';
import { ask, post } from './testing/client.ts';
import { startThreads } from './threads.ts';

test('threads share a port, and each tells the stats of all', async () => {
  const simulator = await startThreads({ port: 0, host: '127.0.0.1', fast: true, threads: 2 });
  try {
    const requests = 40;
    const close = { headers: { connection: 'close' } };
    const answers = await Promise.all(
      Array.from({ length: requests }, () => post(simulator, ask('hello'), close)),
    );
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    for (let round = 0; round < 10; round++) {
      const response = await fetch(`${simulator.url}/_sim/stats`, { keepalive: false });
      expect(await response.json()).toMatchObject({
        received: requests,
        inFlight: 0,
        bill: { 'gpt-4o': { requests, outputTokens: 16 * requests } },
      });
    }
    expect(simulator.stats().received).toBeLessThan(requests);
    const reset = await fetch(`${simulator.url}/_sim/reset`, { method: 'POST' });
    expect(await reset.json()).toMatchObject({ received: 0, bill: {} });
  } finally {
    await simulator.stop();
  }
});
