import { expect } from 'bun:test';
import { ProtocolError } from '../protocol-error.ts';
import type { HeaderFields } from '../fields.ts';
import { ResponseParser } from '../response-parser.ts';

export const MAX_HEAD_BYTES = 2_048;

/** All that a parser told of one response. */
export interface Outcome {
  readonly status: number;
  readonly fields: readonly (string | null)[];
  readonly body: string;
  readonly ended: boolean;
  readonly keepAlive: boolean;
  readonly error: string | null;
  /** Bytes behind the response. */
  readonly unused: number;
}

/** Fields that are looked up in every head. */
const NAMES = ['content-type', 'x-a', 'x-empty', 'transfer-encoding'];

/** Feeds the bytes cut at `cuts`; `close`: the peer closes in order after them. */
export function parse(
  text: string,
  options: { cuts?: readonly number[]; bodiless?: boolean; close?: boolean } = {},
): Outcome {
  const bytes = Buffer.from(text, 'latin1');
  let status = 0;
  let fields: (string | null)[] = [];
  let body = '';
  let ends = 0;
  let error: string | null = null;
  let unused = 0;
  const parser = new ResponseParser(MAX_HEAD_BYTES);
  parser.reset(
    {
      onHead(code: number, headers: HeaderFields) {
        expect([status, body, ends]).toEqual([0, '', 0]);
        status = code;
        fields = NAMES.map((name) => headers.get(name));
      },
      onBody(chunk, start, end) {
        expect(status).not.toBe(0);
        expect(ends).toBe(0);
        expect(end).toBeGreaterThan(start);
        body += Buffer.from(chunk.subarray(start, end)).toString('latin1');
      },
      onEnd() {
        ends++;
      },
    },
    options.bodiless ?? false,
  );
  try {
    const cuts = [...(options.cuts ?? []), bytes.length].sort((a, b) => a - b);
    let from = 0;
    for (const cut of cuts) {
      const piece = Buffer.from(bytes.subarray(from, cut));
      from = cut;
      unused += piece.length - parser.push(piece);
    }
    if (options.close === true) parser.close();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ProtocolError);
    error = (thrown as ProtocolError).message;
    unused = 0;
  }
  expect(ends).toBe(parser.done ? 1 : 0);
  return { status, fields, body, ended: ends === 1, keepAlive: parser.keepAlive, error, unused };
}
