import { stackOf } from '../std/thrown.ts';
import type { Config } from '../config/load.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { configuredStages, resolverOf } from '../pipeline/configured.ts';
import { countQuestionInSteps } from '../pipeline/count-question.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import { ProviderRegistry } from '../providers/registry.ts';
import { heartbeatOf, type SharedMemory } from '../shared/memory-map.ts';
import { ownThreadId } from '../shared/thread-clock.ts';
import { faultOf, movable, type Order, type Product, type Reply, type Work } from './protocol.ts';

export type ToPreparer =
  | {
      readonly type: 'start';
      readonly config: Config;
      readonly memory: SharedMemory;
      readonly hashSecret: Uint8Array;
    }
  | { readonly type: 'connect'; readonly port: MessagePort };

export type FromPreparer =
  | { readonly type: 'started' }
  | { readonly type: 'failed'; readonly message: string };

const BEAT_MS = 100;
/** After so long it is looked whether the work is still wanted. */
const TURN_MS = 8;

/** What a proxy thread has asked for. */
interface Task {
  readonly port: MessagePort;
  readonly id: number;
  readonly work: Work;
  cancelled: boolean;
}

/** Turns work into its product, step by step; throws GatewayError. */
type Workshop = (work: Work) => Generator<void, Product>;

/**
 * The preparer: runs the pipeline for requests with large bodies, so that however long one takes, whatever it is made of, no thread
 * that carries other requests stands still. One at a time and in the order in which they come: what a large body needs besides
 * itself is several times its size.
 *
 * It beats between the steps of a body and its watchdog is a patient one: a step may take seconds on a slow machine.
 */
export function preparerThread(send: (message: FromPreparer) => void): (message: ToPreparer) => void {
  const tasks: Task[] = [];
  let workshop: Workshop | null = null;
  let beat = (): void => {};
  let busy = false;

  const run = async (): Promise<void> => {
    if (busy || workshop === null) return;
    busy = true;
    for (let task = tasks[0]; task !== undefined; task = tasks[0]) {
      const { port } = task;
      const reply = await perform(task, workshop, beat);
      tasks.shift();
      port.postMessage(reply, 'product' in reply ? movable(bytesOf(reply.product)) : []);
    }
    busy = false;
  };
  const take = (port: MessagePort, order: Order): void => {
    if (order.type === 'work') {
      tasks.push({ port, id: order.id, work: order.work, cancelled: false });
      void run();
    } else for (const task of tasks) if (task.port === port && task.id === order.id) task.cancelled = true;
  };
  return (message) => {
    if (message.type === 'connect') {
      const { port } = message;
      port.onmessage = (event: MessageEvent<Order>) => take(port, event.data);
      return;
    }
    const { memory } = message;
    const word = heartbeatOf(memory, 'preparer');
    memory.threadIds[word] = ownThreadId();
    beat = () => {
      Atomics.add(memory.heartbeats, word, 1);
    };
    try {
      workshop = workshopOf(message.config, message.hashSecret);
    } catch (error) {
      send({
        type: 'failed',
        message: stackOf(error),
      });
      return;
    }
    setInterval(beat, BEAT_MS);
    send({ type: 'started' });
    void run();
  };
}

function workshopOf(config: Config, hashSecret: Uint8Array): Workshop {
  const registry = new ProviderRegistry(config.routing);
  const pipeline = new Pipeline(configuredStages(config, registry, hashSecret));
  return (work) =>
    work.kind === 'chat'
      ? pipeline.prepareInSteps(work.input)
      : countQuestionInSteps(work.body, resolverOf(registry));
}

async function perform(task: Task, workshop: Workshop, beat: () => void): Promise<Reply> {
  const { id } = task;
  try {
    const steps = workshop(task.work);
    let turnEndsMs = performance.now() + TURN_MS;
    while (!task.cancelled) {
      const step = steps.next();
      beat();
      if (step.done === true) return { id, product: step.value };
      if (performance.now() < turnEndsMs) continue;
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      turnEndsMs = performance.now() + TURN_MS;
    }
    steps.return(undefined as never);
    return { id, cancelled: true };
  } catch (error) {
    if (error instanceof GatewayError) return { id, fault: faultOf(error) };
    return { id, defect: stackOf(error) };
  }
}

const bytesOf = (product: Product): readonly Uint8Array[] =>
  'parts' in product ? product.parts : [product.body];
