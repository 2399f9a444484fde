import { expect, test } from 'bun:test';
import { turnsAway } from './gateway.ts';
import { startStage } from './stage.ts';

test('a stage that is left leaves nothing that listens', async () => {
  const stage = await startStage();
  const urls = [stage.simulator.url, stage.gateway.url];
  expect(await Promise.all(urls.map(turnsAway))).toEqual([false, false]);
  await stage[Symbol.asyncDispose]();
  expect(await Promise.all(urls.map(turnsAway))).toEqual([true, true]);
});

test.each([
  ['gateway', { MAX_BODY_BYTES: 'much' }, {}, 'MAX_BODY_BYTES'],
  ['key', {}, { quota_usd: 'much' }, 'no key'],
])('where the %s is refused, the simulator does not stay', async (_, variables, key, why) => {
  let url = '';
  const starting = startStage({
    env: (simulator) => {
      ({ url } = simulator);
      return variables;
    },
    key,
  });
  expect(await starting.catch(String)).toContain(why);
  expect(url).not.toBe('');
  expect(await turnsAway(url)).toBe(true);
});
