import { bodies } from './bodies.ts';
import { core } from './core.ts';
import { dedup } from './dedup.ts';
import { memory } from './memory.ts';
import { micro } from './micro.ts';
import { scale } from './scale.ts';
import { soak } from './soak.ts';
import { start } from './start.ts';
import { streams } from './streams.ts';
import { target } from './target.ts';
import { topology } from './topology.ts';
import { throughput } from './throughput.ts';
import type { Scenario } from './types.ts';

/** All scenarios, in the order they run. */
export const scenarios: readonly Scenario[] = [
  core,
  throughput,
  target,
  streams,
  bodies,
  dedup,
  scale,
  start,
  topology,
  micro,
  memory,
  soak,
];
