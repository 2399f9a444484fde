import { AggregatorRegistry } from 'prom-client';
import { sumMetrics, type HistogramSum, type RowSum } from '../shared/counter-sum.ts';
import {
  CONNECTION_STATES,
  DEDUP_ROLES,
  LATENCY_BOUNDS_S,
  REJECTED_REASONS,
  REQUEST_KINDS,
  STAGE_BOUNDS_S,
  STAGE_LABELS,
  STATUSES,
  TOKEN_KINDS,
  UNCLAIMED_REASONS,
} from '../shared/labels.ts';
import { MAX_PROVIDERS, type SharedMemory } from '../shared/memory-map.ts';
import { METRICS, type MetricName } from './catalogue.ts';

type Labels = Readonly<Record<string, string>>;

/** One metric as prom-client's aggregator takes it from another process. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly {
    readonly value: number;
    readonly labels: Labels;
    readonly metricName?: string;
  }[];
  readonly aggregator: 'sum';
}

const PREFIX = 'tokenrouter_';
const NANO = 1e9;

function metric(name: MetricName, values: Metric['values']): Metric {
  const [type, help] = METRICS[name];
  return { name: PREFIX + name, help, type, values, aggregator: 'sum' };
}

const single = (name: MetricName, value: number): Metric => metric(name, [{ value, labels: {} }]);

const perLabel = (
  name: MetricName,
  label: string,
  names: readonly string[],
  counts: readonly number[],
): Metric =>
  metric(
    name,
    names.map((text, index) => ({ value: counts[index] ?? 0, labels: { [label]: text } })),
  );

/** Buckets as prom-client serialises them: cumulative, `le` label, then sum and count. */
function histogram(
  name: MetricName,
  bounds: readonly number[],
  series: readonly { readonly labels: Labels; readonly sum: HistogramSum }[],
): Metric {
  const full = PREFIX + name;
  const values = series.flatMap(({ labels, sum }) => {
    let cumulative = 0;
    const buckets = sum.buckets.map((value, index) => {
      cumulative += value;
      const le = index < bounds.length ? String(bounds[index]) : '+Inf';
      return { value: cumulative, labels: { le, ...labels }, metricName: `${full}_bucket` };
    });
    return [
      ...buckets,
      { value: sum.sum, labels, metricName: `${full}_sum` },
      { value: sum.count, labels, metricName: `${full}_count` },
    ];
  });
  return metric(name, values);
}

const modelLabels = (row: RowSum): Labels => ({ provider: row.provider, model: row.model });

function latency(name: MetricName, rows: readonly RowSum[], pick: (row: RowSum) => HistogramSum): Metric {
  const series = rows.filter((row) => pick(row).count > 0);
  return histogram(
    name,
    LATENCY_BOUNDS_S,
    series.map((row) => ({ labels: modelLabels(row), sum: pick(row) })),
  );
}

function requests(rows: readonly RowSum[]): Metric {
  const values = rows.flatMap((row) =>
    row.requests.flatMap((value, index) => {
      const status = STATUSES[index >> 1] ?? 0;
      const labels = {
        ...modelLabels(row),
        status: status === 0 ? 'other' : String(status),
        stream: String((index & 1) === 1),
      };
      return value === 0 ? [] : [{ value, labels }];
    }),
  );
  return metric('requests_total', values);
}

function tokens(rows: readonly RowSum[]): Metric {
  return metric(
    'tokens_total',
    rows.flatMap((row) =>
      TOKEN_KINDS.map((kind, index) => ({
        value: row.tokens[index] ?? 0,
        labels: { ...modelLabels(row), kind },
      })),
    ),
  );
}

function connections(memory: SharedMemory, providers: readonly string[]): Metric {
  const values = providers.slice(0, MAX_PROVIDERS).flatMap((provider, index) =>
    CONNECTION_STATES.map((state, offset) => {
      let value = 0;
      for (let worker = 0; worker < memory.workers; worker++) {
        value += memory.connections[(worker * MAX_PROVIDERS + index) * CONNECTION_STATES.length + offset]!;
      }
      return { value, labels: { provider, state } };
    }),
  );
  return metric('upstream_connections', values);
}

/** Interleaved words, summed per kind. */
function inFlight(memory: SharedMemory): number[] {
  const sums = REQUEST_KINDS.map(() => 0);
  for (let index = 0; index < memory.inFlight.length; index++)
    sums[index % sums.length]! += Atomics.load(memory.inFlight, index);
  return sums;
}

export interface ExpositionInput {
  readonly memory: SharedMemory;
  /** `alive[w]`: proxy thread w has beaten lately. */
  readonly alive: readonly boolean[];
  /** Ids in the order of the configuration. */
  readonly providers: readonly string[];
  readonly residentBytes: number;
}

/** The whole catalogue as Prometheus text (exposition format 0.0.4). */
export function exposition(input: ExpositionInput): Promise<string> {
  const { memory, alive } = input;
  const sum = sumMetrics(memory);
  const { rows } = sum;
  const perWorker = (name: MetricName, values: readonly number[]): Metric =>
    perLabel(
      name,
      'worker',
      values.map((_, worker) => String(worker)),
      values,
    );
  const metrics: Metric[] = [
    requests(rows),
    latency('request_duration_seconds', rows, (row) => row.duration),
    latency('overhead_seconds', rows, (row) => row.overhead),
    latency('time_to_first_token_seconds', rows, (row) => row.firstToken),
    histogram(
      'pipeline_stage_seconds',
      STAGE_BOUNDS_S,
      STAGE_LABELS.map((stage, index) => ({ labels: { stage }, sum: sum.stages[index]! })),
    ),
    tokens(rows),
    metric(
      'cost_usd_total',
      rows.map((row) => ({ value: row.costNanoUsd / NANO, labels: modelLabels(row) })),
    ),
    single('cache_savings_usd_total', rows.reduce((total, row) => total + row.savingsNanoUsd, 0) / NANO),
    perLabel('dedup_requests_total', 'role', DEDUP_ROLES, sum.dedup),
    perLabel('dedup_unclaimed_total', 'reason', UNCLAIMED_REASONS, sum.unclaimed),
    single('dedup_savings_usd_total', sum.dedupSavingsNanoUsd / NANO),
    single(
      'dedup_replay_bytes',
      memory.replayBytes.reduce((total, bytes) => total + bytes, 0),
    ),
    perLabel('rejected_total', 'reason', REJECTED_REASONS, sum.rejected),
    perLabel('in_flight', 'kind', REQUEST_KINDS, inFlight(memory)),
    single(
      'unfinished_bodies',
      memory.bodiesOpen.reduce((total, bodies) => total + bodies, 0),
    ),
    single(
      'unfinished_body_bytes',
      memory.bodyBytes.reduce((total, bytes) => total + bytes, 0),
    ),
    connections(memory, input.providers),
    perWorker('worker_up', alive.map(Number)),
    perWorker('event_loop_lag_seconds', sum.lagSeconds),
    perWorker('heap_bytes', sum.heapBytes),
    single('api_keys_in_use', Atomics.load(memory.slotCount, 0)),
    single('resident_memory_bytes', input.residentBytes),
  ];
  // The aggregator is prom-client's way to serialise what another process counted; its type asks for an untyped list.
  return AggregatorRegistry.aggregate([metrics] as never).metrics();
}
