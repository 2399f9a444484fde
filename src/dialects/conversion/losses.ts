import type { JsonDocument } from '../../std/json/document.ts';

/** Warnings go into a header: as many as a reader has patience for. */
const MAX_WARNINGS = 24;
const MAX_NAME = 64;

/** A key that a client made up, fit to be shown in a header. */
export function shownName(name: string): string {
  return name.slice(0, MAX_NAME).replaceAll(/[^\w.$-]/g, '?');
}

/**
 * What a conversion leaves behind. A warning is said once, however often its field occurs; what was lost is kept in full,
 * because it tells requests apart.
 */
export class Losses {
  readonly #warnings = new Set<string>();
  #lost = '';

  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  /** Source text of what was lost, a line for each: `field=value`. */
  get lost(): string {
    return this.#lost;
  }

  clear(): void {
    this.#warnings.clear();
    this.#lost = '';
  }

  /** A field whose value does not reach the vendor as it is. `field` is its path without indices, `reason` a sentence. */
  lose(document: JsonDocument, node: number, field: string, reason: string): void {
    this.warn(field, reason);
    this.count(document, node, field);
  }

  /** A field that the vendor has no use for, so that nobody needs to hear of it. It still tells requests apart. */
  count(document: JsonDocument, node: number, field: string): void {
    this.#lost += `${field}=${document.source(node)}\n`;
  }

  warn(field: string, reason: string): void {
    if (this.#warnings.size < MAX_WARNINGS) this.#warnings.add(`${field}: ${reason}`);
  }
}
