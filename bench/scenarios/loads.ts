import type { ChatBodyPlan } from '../load/plan.ts';
import type { LoadShape } from './sample.ts';
import type { Windows } from './windows.ts';

const MODEL = 'gpt-4o-mini';
export const BODY_BYTES = 1700;

/** Closed loop of plain requests that the upstream answers at once. */
export function plainRequests(windows: Windows, connections: number): LoadShape {
  return {
    ...base(windows),
    body: chat(false, ''),
    connections,
    pace: { kind: 'closed', rampMs: 0 },
    timeoutMs: 10_000,
  };
}

/** Code that is compiled while it runs reaches its last tier after about a hundred thousand requests. */
const WARM_MS = 9_000;
const WARM_CONNECTIONS = 64;

const warmWindows = { warmupMs: WARM_MS, windowMs: 200, parts: 1, rounds: 1 };

/** What warms a gateway that relays plain requests. */
export const warmRequests = (): LoadShape => plainRequests(warmWindows, WARM_CONNECTIONS);

/** What warms a gateway that relays streams. */
export const warmStreams = (): LoadShape => streamRequests(warmWindows, 400, 40, 25);

/** Closed loop of streams, started evenly over most of the warm-up so that they do not end together. */
export function streamRequests(
  windows: Windows,
  streams: number,
  eventsPerStream: number,
  intervalMs: number,
): LoadShape {
  return {
    ...base(windows),
    body: chat(
      true,
      `[[sim:chunks=${eventsPerStream}]][[sim:interval=${Math.round(intervalMs)}]][[sim:stamp=1]]`,
    ),
    connections: streams,
    pace: { kind: 'closed', rampMs: windows.warmupMs * 0.75 },
    timeoutMs: eventsPerStream * intervalMs + 20_000,
  };
}

/** Open loop of plain requests. `upstreamMs` 0: the upstream answers at once. */
export function openRequests(
  windows: Windows,
  connections: number,
  ratePerS: number,
  upstreamMs: number,
): LoadShape {
  return {
    ...base(windows),
    body: chat(false, upstreamMs === 0 ? '' : `[[sim:delay=${upstreamMs}]]`),
    connections,
    pace: { kind: 'open', ratePerS, rampMs: windows.warmupMs * 0.4, cooldownMs: upstreamMs + 200 },
    timeoutMs: upstreamMs + 10_000,
  };
}

function chat(stream: boolean, directives: string): ChatBodyPlan {
  return { model: MODEL, bytes: BODY_BYTES, stream, differsIn: 'query', directives };
}

function base(windows: Windows): Omit<LoadShape, 'body' | 'connections' | 'pace' | 'timeoutMs'> {
  const { warmupMs, windowMs, parts } = windows;
  return { duplicates: null, keysFile: null, misbehaviour: null, warmupMs, windowMs, parts };
}
