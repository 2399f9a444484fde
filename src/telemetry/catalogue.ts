/** Every metric the gateway exposes: name (without prefix), type, help. The names are a contract (docs/metrics.md). */
export const METRICS = {
  requests_total: ['counter', 'Requests answered, by what they were and how they ended.'],
  request_duration_seconds: ['histogram', 'From the request to its last byte.'],
  overhead_seconds: [
    'histogram',
    "Duration less the time waited for the vendor or for another request's answer.",
  ],
  time_to_first_token_seconds: ['histogram', 'From the request to its first streamed byte.'],
  pipeline_stage_seconds: ['histogram', 'Time in one stage of the pipeline; one request in 16 is timed.'],
  tokens_total: ['counter', 'Tokens as the vendors reported them.'],
  cost_usd_total: ['counter', 'What the calls cost, in USD.'],
  cache_savings_usd_total: ['counter', "What vendors' caches saved, net of write premiums, in USD."],
  dedup_requests_total: ['counter', 'Requests by their part in a shared call.'],
  dedup_unclaimed_total: ['counter', 'Calls that could have been shared and were not, by reason.'],
  dedup_savings_usd_total: ['counter', 'What followers would have cost, in USD.'],
  dedup_replay_bytes: ['gauge', 'Bytes in the replay buffers of shared answers.'],
  rejected_total: ['counter', 'Requests the gateway itself turned away.'],
  in_flight: ['gauge', 'Requests that run now.'],
  unfinished_bodies: ['gauge', 'Request bodies that are still coming.'],
  unfinished_body_bytes: ['gauge', 'What those over 64 KiB hold, in steps of 256 KiB.'],
  upstream_connections: ['gauge', 'Connections to providers; waiting: calls without one.'],
  worker_up: ['gauge', 'Whether a proxy thread beats.'],
  event_loop_lag_seconds: ['gauge', "How late a proxy thread's last heartbeat was."],
  heap_bytes: ['gauge', "A proxy thread's collected heap, garbage included."],
  api_keys_in_use: ['gauge', 'API keys used since the start of the process.'],
  resident_memory_bytes: ['gauge', 'Resident memory of the process.'],
} as const satisfies Record<string, readonly ['counter' | 'gauge' | 'histogram', string]>;

export type MetricName = keyof typeof METRICS;
