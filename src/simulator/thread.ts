import { Pending } from './pending.ts';
import type { FromThread, ToThread } from './protocol.ts';
import { type Simulator, startSimulator } from './server.ts';
import type { SimulatorStats } from './stats.ts';
import { obey, peersBy } from './threads.ts';

/** Entry of a further simulator thread. */
declare const self: Worker;

const ANSWER_DEADLINE_MS = 10_000;
const asked = new Pending<readonly SimulatorStats[]>(ANSWER_DEADLINE_MS);
const post = (message: FromThread): void => self.postMessage(message);
let simulator: Simulator | null = null;

self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  if (data.kind === 'start') {
    const peers = peersBy((command) => asked.ask((id) => post({ kind: 'ask', id, command })));
    simulator = startSimulator({ ...data, reusePort: true, peers });
    post({ kind: 'listening' });
  } else if (data.kind === 'result') {
    asked.answer(data.id, data.stats);
  } else if (simulator !== null) {
    post({ kind: 'done', id: data.id, stats: obey(simulator, data.command) });
  }
};
