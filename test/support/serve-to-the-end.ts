// The gateway with room for one thread more than it starts with: SIGUSR2 ends the oldest proxy thread.
import { runServe } from '../../src/primary/serve.ts';
import { spawnThread } from '../../src/threads/spawn.ts';

const proxies: Worker[] = [];
process.on('SIGUSR2', () => {
  proxies.shift()?.terminate();
});
await runServe({
  dev: false,
  maxIncarnation: 3,
  spawn: (name) => {
    const thread = spawnThread(name);
    if (name === 'proxy') proxies.push(thread);
    return thread;
  },
});
