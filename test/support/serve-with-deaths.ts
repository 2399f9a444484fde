// The gateway whose threads die on request: each SIGUSR2 ends another one, in another way.
import { runServe } from '../../src/primary/serve.ts';
import { spawnThread, type ThreadName } from '../../src/threads/spawn.ts';

const FAULTS = ['terminate', 'fault:throw', 'fault:exit', 'fault:hang'] as const;
/** Every so manieth death is that of a thread that carries no requests. */
const CONTROL_EVERY = 6;
const CONTROL: readonly ThreadName[] = ['storage', 'metrics', 'preparer'];

const living = new Map<ThreadName, Worker[]>();
let deaths = 0;
let proxyDeaths = 0;
let controlDeaths = 0;

process.on('SIGUSR2', () => {
  deaths++;
  if (deaths % CONTROL_EVERY === 0) {
    const name = CONTROL[controlDeaths++ % CONTROL.length]!;
    living.get(name)?.shift()?.terminate();
    return;
  }
  const proxy = living.get('proxy')?.shift();
  const fault = FAULTS[proxyDeaths++ % FAULTS.length]!;
  if (fault === 'terminate') proxy?.terminate();
  else proxy?.postMessage({ type: fault });
});

await runServe({
  dev: false,
  spawn: (name) => {
    const thread =
      name === 'proxy' ? new Worker(new URL('faulty-proxy.ts', import.meta.url)) : spawnThread(name);
    living.set(name, [...(living.get(name) ?? []), thread]);
    return thread;
  },
});
