import type { Child } from '../processes/child.ts';

/** What a gateway is started for. */
export interface GatewaySettings {
  readonly upstreamPort: number;
  /** Empty folder of its own for configuration and data. */
  readonly folder: string;
  /** Threads or worker processes; each kind has its own default. */
  readonly workers?: number;
  /** Answers are streams: rivals must not collect them. */
  readonly streams?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A gateway that is up. */
export interface RunningGateway {
  readonly port: number;
  readonly path: string;
  /** What a client has to send, credentials included. */
  readonly headers: readonly (readonly [string, string])[];
  /** Null where clients talk to the upstream directly. */
  readonly child: Child | null;
}

/** One competitor of a comparison. */
export interface Gateway {
  readonly name: string;
  /** Its code is compiled while it runs: it gets a load of its own before it is measured. */
  readonly warms?: boolean;
  start(settings: GatewaySettings): Promise<RunningGateway>;
}

export const CHAT_PATH = '/v1/chat/completions';
/** The simulator asks for a credential as a vendor does, whatever it is. */
export const VENDOR_KEY = 'sk-simulated-vendor';
