import type { CanonicalWriter, CopiedRun } from '../std/json/writer.ts';

/** What is left of a run between edits is copied below this size: a part more costs a write of its own. */
const PART_BYTES = 64 * 1024;

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly bytes: number;
}

/**
 * What the gateway puts into a canonical body on its way out: each edit replaces the bytes `[start, end)` by a text, or
 * inserts it where both are one. Stages gather them, so that the body is assembled once, at its exact size, and that
 * everything before (hashes) sees the body without them.
 */
export class Edits {
  readonly #edits: Edit[] = [];

  clear(): void {
    this.#edits.length = 0;
  }

  /** Edits must not overlap; several insertions at one place stand there in the order in which they came. */
  add(start: number, end: number, text: string): void {
    const edit = { start, end, text, bytes: Buffer.byteLength(text) };
    let at = this.#edits.length;
    while (at > 0 && this.#edits[at - 1]!.start > start) at--;
    this.#edits.splice(at, 0, edit);
  }

  /**
   * What the writer holds with the edits applied, as parts to be sent one after the other. One fresh buffer as a rule;
   * a long run that the writer took from `source` as it stood ({@link CanonicalWriter.runs}) is a part of its own, a view
   * of `source` and not a copy: fresh memory by the megabyte costs more than everything else that is done to it.
   */
  apply(canonical: CanonicalWriter, source: Uint8Array): readonly Uint8Array[] {
    const runs = this.#untouched(canonical.runs);
    let size = canonical.length;
    for (const run of runs) size -= run.end - run.start;
    for (const edit of this.#edits) size += edit.bytes - (edit.end - edit.start);
    const own = Buffer.allocUnsafeSlow(size);
    const parts: Uint8Array[] = [];
    let partStart = 0;
    let at = 0;
    let from = 0;
    const copyUntil = (end: number): void => {
      canonical.copyTo(own, at, from, end);
      at += end - from;
    };
    let next = 0;
    for (const run of runs) {
      for (; next < this.#edits.length && this.#edits[next]!.start <= run.at; next++)
        applyEdit(this.#edits[next]!);
      copyUntil(run.at);
      if (at > partStart) parts.push(own.subarray(partStart, at));
      partStart = at;
      parts.push(source.subarray(run.start, run.end));
      from = run.at + run.end - run.start;
    }
    for (; next < this.#edits.length; next++) applyEdit(this.#edits[next]!);
    copyUntil(canonical.length);
    if (at > partStart) parts.push(partStart === 0 ? own : own.subarray(partStart, at));
    return parts;

    function applyEdit(edit: Edit): void {
      copyUntil(edit.start);
      at += own.write(edit.text, at, 'utf8');
      from = edit.end;
    }
  }

  /** The runs without what is edited in them; pieces that are shorter than a part should be are left out. */
  #untouched(runs: readonly CopiedRun[]): readonly CopiedRun[] {
    const pieces: CopiedRun[] = [];
    for (const run of runs) {
      const shift = run.start - run.at;
      const end = run.end - shift;
      let from = run.at;
      const push = (to: number): void => {
        if (to - from >= PART_BYTES) pieces.push({ at: from, start: from + shift, end: to + shift });
      };
      for (const edit of this.#edits) {
        if (edit.start >= end || edit.end <= from) continue;
        push(edit.start);
        from = Math.max(from, edit.end);
      }
      push(end);
    }
    return pieces;
  }
}
