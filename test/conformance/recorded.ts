import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CASES, caseLines, casesPresent } from '../support/cases.ts';

export type Json = Record<string, unknown>;

/** One exchange between a client and a vendor, as it was recorded. */
export interface Recorded {
  readonly id: string;
  readonly vendor: string;
  readonly path: string;
  readonly status: number;
  /** What the client sent: its bytes where they are known. */
  readonly request: string;
  readonly contentType: string;
  readonly answer: string;
  readonly streamed: boolean;
}

interface Row {
  readonly id: string;
  readonly path: string;
  readonly status: number;
}

interface File {
  readonly request: { readonly body?: unknown; readonly raw_body?: string };
  readonly response: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: unknown;
  };
}

const text = (path: string): string => readFileSync(join(CASES, 'recorded', path), 'utf8');

export const rows: readonly Row[] = casesPresent ? caseLines<Row>('recorded/index.jsonl') : [];

/** Routes that the gateway has. */
export const served = ({ path }: Row): boolean =>
  path.endsWith('/chat/completions') || path === '/v1/messages' || path === '/v1/messages/count_tokens';

function recorded(row: Row): Recorded {
  const { request, response } = JSON.parse(text(`${row.id}.json`)) as File;
  const streamed = existsSync(join(CASES, 'recorded', `${row.id}.sse`));
  return {
    id: row.id,
    vendor: row.id.split('/')[0] ?? '',
    path: row.path,
    status: row.status,
    request: request.raw_body ?? JSON.stringify(request.body),
    contentType: response.headers['content-type'] ?? 'application/json',
    answer: streamed ? text(`${row.id}.sse`) : JSON.stringify(response.body),
    streamed,
  };
}

export const exchanges: readonly Recorded[] = rows.filter(served).map(recorded);

export const record = (value: unknown): Json =>
  typeof value === 'object' && value !== null ? (value as Json) : {};
export const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(record) : []);

/** Data of the records of a stream that are JSON. */
export const recordsOf = (stream: string): Json[] =>
  stream
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:') && !line.endsWith('[DONE]'))
    .map((line) => JSON.parse(line.slice(5)) as Json);
