/**
 * The numbers that have to be met, all in one place. Loosening one needs a reason in the report: write it beside the number.
 * Ratios are to nginx in the same run.
 */
export const limits = {
  core: {
    cpuPerRequestRatio: 2.2,
    cpuPerEventRatio: 1.4,
  },
  memory: {
    /** "Flat over 1,000,000 requests", less what the heap breathes by. */
    growthMiB: 32,
  },
  throughput: {
    requestsPerSRatio: 0.5,
    cpuPerRequestRatio: 1.8,
    p99Ratio: 2,
  },
  target: {
    requestsPerS: 10_000,
    p99Ms: 50,
    overheadP50Ms: 2,
    overheadP99Ms: 50,
    overheadP99Ratio: 2,
    halfOverheadP50Ms: 1,
    halfOverheadP99Ms: 10,
    dedupRatePoints: 0.1,
    rssMiB: 700,
  },
  dedup: {
    /** Points of a per cent, in the worst row. */
    savedPoints: 0.1,
  },
  streams: {
    cpuPerEventRatio: 1.2,
    eventP99Ratio: 1.5,
  },
  bodies: {
    msAt187Kb: 1,
    /** In either direction, on top of what the same body takes without it. */
    conversionMsAt187Kb: 1,
    usPerKbBeyond: 6,
    imageMs: 15,
  },
  scale: {
    /** Cost per request with the most state over that with the least: "stays flat". */
    cpuRatio: 1.25,
  },
  start: {
    readyMs: 150,
    idleRssMiB: 120,
  },
  soak: {
    rssGrowth: 0.05,
  },
} as const;
