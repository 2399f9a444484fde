import { reasonIn } from './skip-unless.ts';

/** For tests that were skipped by other means than `skipUnless`. */
const UNSAID = 'without a reason';

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
const unescapeXml = (text: string): string =>
  text.replaceAll(/&(\w+);/g, (entity, name: string) => ENTITIES[name] ?? entity);

/**
 * Reasons of the skipped tests of a report of `bun test --reporter=junit`, with how many tests each has. `filtered`: bun was asked
 * for some names only, and reports all others as skipped; only those that say why are.
 */
export function skippedIn(report: string, filtered: boolean): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [, attributes = ''] of report.matchAll(/<testcase\b([^>]*)>\s*<skipped\b/g)) {
    const reason = reasonIn(unescapeXml(attributes)) ?? (filtered ? null : UNSAID);
    if (reason !== null) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return counts;
}

/** `skipped: 103 tests without ../shared/cases, 2 without openssl`, the most first; empty where nothing was skipped. */
export function skippedLine(counts: ReadonlyMap<string, number>): string {
  const parts = [...counts]
    .toSorted(([, left], [, right]) => right - left)
    .map(([reason, count], index) =>
      index === 0 ? `${count} ${count === 1 ? 'test' : 'tests'} ${reason}` : `${count} ${reason}`,
    );
  return parts.length === 0 ? '' : `skipped: ${parts.join(', ')}`;
}
