import { startSimulator, type Simulator, type SimulatorOptions } from '../../src/simulator/server.ts';
import { startGateway, type Gateway } from './gateway.ts';

type Variables = Readonly<Record<string, string>>;

export interface StageOptions {
  readonly simulator?: Omit<SimulatorOptions, 'port'>;
  /** Whose calls go to the simulator: OpenAI's unless told otherwise. */
  readonly vendors?: readonly ('openai' | 'deepseek' | 'anthropic')[];
  /** Beside the variables of the vendors, and in place of theirs; a function where it takes the simulator's address. */
  readonly env?: Variables | ((simulator: Simulator) => Variables);
}

/** A gateway before a simulator that stands for its vendors. */
export interface Stage extends AsyncDisposable {
  readonly simulator: Simulator;
  readonly gateway: Gateway;
  /** The variables of the vendors, for another gateway before the same simulator. */
  readonly upstream: Variables;
}

export interface StageWithKey extends Stage {
  readonly key: string;
  readonly keyId: string;
}

/** Makes a key, too, unless that is null; `key`: its fields. */
export function startStage(options: StageOptions & { readonly key: null }): Promise<Stage>;
export function startStage(
  options?: StageOptions & { readonly key?: Readonly<Record<string, unknown>> },
): Promise<StageWithKey>;
export async function startStage({
  simulator: simulatorOptions = {},
  vendors = ['openai'],
  env = {},
  key: keyFields = {},
}: StageOptions & { readonly key?: Readonly<Record<string, unknown>> | null } = {}): Promise<
  Stage | StageWithKey
> {
  // What has started is stopped in the opposite order, also where the next does not start.
  await using starting = new AsyncDisposableStack();
  const simulator = starting.adopt(startSimulator({ ...simulatorOptions, port: 0 }), (one) => one.stop());
  const upstream = Object.fromEntries(
    vendors.flatMap((vendor) => [
      [`${vendor.toUpperCase()}_API_KEY`, 'sk-up'],
      [`${vendor.toUpperCase()}_BASE_URL`, simulator.url],
    ]),
  ) as Variables;
  const more = typeof env === 'function' ? env(simulator) : env;
  const gateway = starting.use(await startGateway({ env: { ...upstream, ...more } }));
  const made = keyFields === null ? null : await gateway.createKey(keyFields);
  const started = starting.move();
  return {
    simulator,
    gateway,
    upstream,
    ...(made === null ? {} : { key: made.key, keyId: made.id }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
