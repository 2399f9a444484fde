import { beforeAll, expect, test } from 'bun:test';
import { direct } from '../gateways/direct.ts';
import { runFromSource } from '../processes/program.ts';
import { openRequests, plainRequests } from './loads.ts';
import { measure } from './sample.ts';

beforeAll(() => runFromSource());

test('what the upstream received is counted for the load, not for what warmed the gateway', async () => {
  const windows = { warmupMs: 50, windowMs: 200, parts: 1, rounds: 1 };
  const sample = await measure({
    gateway: direct,
    variant: 'v',
    round: 0,
    warm: plainRequests(windows, 4),
    load: openRequests(windows, 4, 400, 0),
  });
  expect(sample.answered).toBe(80);
  expect(sample.upstream.received).toBe(sample.inAll.sent);
});
