import { createHistogram, encodeHistogram, recordUs, summarize } from '../../measure/histogram.ts';
import type { Sample } from '../sample.ts';

/** A sample in which nothing happened but what is given; every histogram holds the given latencies. */
export function fakeSample(changes: Partial<Sample>, latenciesUs: readonly number[] = []): Sample {
  const histogram = createHistogram();
  for (const us of latenciesUs) recordUs(histogram, us);
  const encoded = encodeHistogram(histogram);
  const summary = summarize(histogram);
  return {
    gateway: 'tokenrouter',
    round: 0,
    variant: 'v',
    requestsPerS: 0,
    eventsPerS: 0,
    gatewayCpuUs: 0,
    upstreamCpuUs: 0,
    generatorCpuUs: 0,
    cpuUsPerRequest: 0,
    cpuUsPerEvent: 0,
    rssMiB: 0,
    rssSeries: [],
    readyMs: 0,
    sent: 0,
    inAll: { sent: 0, duplicates: 0, answered: 0, followers: 0 },
    answered: 0,
    errors: {},
    errorCount: 0,
    dedup: { leader: 0, follower: 0, off: 0, none: 0 },
    duplicatesSent: 0,
    maxInFlight: 0,
    latency: summary,
    overhead: summary,
    follower: summary,
    firstToken: summary,
    event: summary,
    lag: summary,
    parts: [],
    upstream: { received: 0, aborted: 0 },
    histograms: {
      latency: encoded,
      overhead: encoded,
      follower: encoded,
      firstToken: encoded,
      event: encoded,
      lag: encoded,
    },
    ...changes,
  };
}
