import { Database } from 'bun:sqlite';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { tokenrouter } from '../gateways/tokenrouter.ts';
import { limits } from '../limits.ts';
import { plainRequests } from './loads.ts';
import { freshFolder, observe, withGateway, type Sample } from './sample.ts';
import { check, type Scenario, type Table } from './types.ts';
import { windowsOf } from './windows.ts';

const CONNECTIONS = 64;
/** Keys in use: all that exist, up to so many. */
const ACTIVE_KEYS = 10_000;
const PREFIXES = 100_000;
const INSERT_BATCH = 10_000;
const MOST_KEYS = 1_000_000;

const sha256 = (text: string): string => new Bun.CryptoHasher('sha256').update(text).digest('hex');

/** Key number `index` of those made for a scale run; number 0 is the gateway's own. */
function keyOf(own: string, index: number): string {
  return index === 0 ? own : `sk-tr-${index.toString(36).padStart(own.length - 6, '0')}`;
}

/**
 * Fills a gateway's database from `from` up to `to` keys with copies of its own. A million calls of the admin API would take
 * longer than the rest of the benchmark.
 */
export function fillKeys(databasePath: string, own: string, from: number, to: number): void {
  const database = new Database(databasePath, { readwrite: true });
  try {
    const row = database
      .query<Record<string, string | number | null>, [string]>('SELECT * FROM api_keys WHERE key_hash = ?')
      .get(sha256(own));
    if (row === null) throw new Error('api_keys holds no row whose key_hash is the SHA-256 of the key');
    const columns = Object.keys(row);
    const insert = database.query(
      `INSERT INTO api_keys (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
    );
    database.run('PRAGMA synchronous = OFF');
    for (let batch = from; batch < to; batch += INSERT_BATCH)
      database.transaction(() => {
        for (let index = batch; index < Math.min(to, batch + INSERT_BATCH); index++) {
          const key = keyOf(own, index);
          const changed: Record<string, string> = {
            id: crypto.randomUUID(),
            key_hash: sha256(key),
            key_prefix: key.slice(0, String(row['key_prefix']).length),
          };
          insert.run(...columns.map((column) => changed[column] ?? row[column] ?? null));
        }
      })();
  } finally {
    database.close();
  }
}

/** Writes the first `count` keys to a file, one a line. */
async function writeKeys(file: string, own: string, count: number): Promise<void> {
  await Bun.write(file, Array.from({ length: count }, (_, index) => `${keyOf(own, index)}\n`).join(''));
}

/** Cost per request as the number of API keys and of known prefixes grows. */
export const scale: Scenario = {
  name: 'scale',
  title: 'Scale of state',
  method: `Closed loop, ${CONNECTIONS} connections. API keys: so many exist, and requests use up to ${ACTIVE_KEYS.toLocaleString('en-US')} of them in turn; the last row uses every one, so that hardly any is in a cache. Prefixes: the same load before and after about ${PREFIXES.toLocaleString('en-US')} requests with a system prompt of their own; the row says how many were answered.`,
  run: async (context) => {
    const windows = windowsOf(context, { warmupMs: 8000, windowMs: 2500, parts: 1, rounds: 1 });
    const base = plainRequests(windows, CONNECTIONS);
    const most = context.quick ? 20_000 : MOST_KEYS;
    const samples: Sample[] = [];
    const folder = freshFolder('scale');
    try {
      const key = await withGateway({ gateway: tokenrouter, folder }, ({ running }) =>
        Promise.resolve((running.headers[0]?.[1] ?? '').replace('Bearer ', '')),
      );
      const sizes = [
        { exist: 1, used: 1 },
        { exist: 1000, used: 1000 },
        { exist: Math.min(most, 100_000), used: ACTIVE_KEYS },
        { exist: most, used: ACTIVE_KEYS },
        { exist: most, used: most },
      ];
      let filled = 1;
      for (const { exist, used } of sizes) {
        if (exist > filled) fillKeys(join(folder, 'data/tokenrouter.db'), key, filled, exist);
        filled = exist;
        const keysFile = join(folder, 'keys');
        await writeKeys(keysFile, key, used);
        const variant = `${exist.toLocaleString('en-US')} keys, ${used.toLocaleString('en-US')} used`;
        samples.push(
          await withGateway({ gateway: tokenrouter, folder }, (stage) =>
            observe(
              { ...stage, running: { ...stage.running, headers: [] } },
              { variant, round: 0, load: { ...base, keysFile } },
            ),
          ),
        );
        context.log(`  ${variant}: ${samples.at(-1)?.cpuUsPerRequest.toFixed(1)} µs`);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const prefixes = await withGateway({ gateway: tokenrouter }, async (stage) => {
      const before = await observe(stage, { variant: 'few prefixes', round: 0, load: base });
      const fillMs = context.quick ? 500 : (PREFIXES / before.requestsPerS) * 1000;
      const { body } = base;
      const fill = await observe(stage, {
        variant: 'filling',
        round: 0,
        load: {
          ...base,
          body: { ...body, bytes: body.bytes + 100, differsIn: 'system' },
          warmupMs: 100,
          windowMs: fillMs,
        },
      });
      const variant = `${fill.inAll.answered.toLocaleString('en-US')} prefixes`;
      return [before, await observe(stage, { variant, round: 0, load: base })];
    });
    samples.push(...prefixes);
    const table: Table = {
      title: 'By size of state',
      columns: [
        'state',
        'CPU µs/request',
        '× the least',
        'requests/s',
        'P99 ms',
        'RSS MiB',
        'ready ms',
        'errors',
      ],
      rows: samples.map((sample) => {
        const least = prefixes.includes(sample) ? prefixes[0] : samples[0];
        return [
          sample.variant,
          sample.cpuUsPerRequest,
          sample.cpuUsPerRequest / (least?.cpuUsPerRequest ?? Number.NaN),
          Math.round(sample.requestsPerS),
          sample.latency.p99Ms,
          Math.round(sample.rssMiB),
          Math.round(sample.readyMs),
          sample.errorCount,
        ];
      }),
    };
    const ratio = (one: Sample | undefined, to: Sample | undefined): number =>
      (one?.cpuUsPerRequest ?? Number.NaN) / (to?.cpuUsPerRequest ?? Number.NaN);
    return {
      tables: [table],
      plots: [],
      checks: [
        check(
          'CPU per request, most keys × one key',
          ratio(samples[3], samples[0]),
          'at most',
          limits.scale.cpuRatio,
          '×',
        ),
        check(
          'CPU per request, many prefixes × few',
          ratio(prefixes[1], prefixes[0]),
          'at most',
          limits.scale.cpuRatio,
          '×',
        ),
      ],
      notes: [],
      samples,
    };
  },
};
