import { readFileSync } from 'node:fs';

/** What files, databases, ports between threads and idle clients may take. */
const RESERVED = 256;
/** Duplicates share a call, so that fewer upstream sockets than clients are enough: this share at least. */
const MIN_UPSTREAM_SHARE = 0.9;

/** How much the process can carry at once, over all threads. */
export interface Capacity {
  readonly concurrentRequests: number;
  /** Sockets to vendors; calls beyond it wait for one. */
  readonly upstreamConnections: number;
}

/** The soft limit of open files, or null where the system does not tell. */
export function descriptorLimit(
  read: () => string = () => readFileSync('/proc/self/limits', 'utf8'),
): number | null {
  try {
    const match = /^Max open files\s+(\d+|unlimited)/m.exec(read());
    return match === null || match[1] === 'unlimited' ? null : Number(match[1]);
  } catch {
    return null;
  }
}

/**
 * Fits the concurrency to the descriptors: a running request holds two, its client's and its vendor's. What cannot be
 * carried is clamped, never refused; `warning` says so.
 */
export function fitCapacity(
  wantedRequests: number,
  descriptors: number | null,
): { capacity: Capacity; warning: string | null } {
  if (descriptors === null || wantedRequests * 2 <= descriptors - RESERVED) {
    return {
      capacity: { concurrentRequests: wantedRequests, upstreamConnections: wantedRequests },
      warning: null,
    };
  }
  const usable = Math.max(2, descriptors - Math.min(RESERVED, Math.floor(descriptors / 4)));
  if (wantedRequests * (1 + MIN_UPSTREAM_SHARE) <= usable) {
    return {
      capacity: { concurrentRequests: wantedRequests, upstreamConnections: usable - wantedRequests },
      warning: null,
    };
  }
  const half = Math.floor(usable / 2);
  return {
    capacity: { concurrentRequests: half, upstreamConnections: half },
    warning: `GLOBAL_CONCURRENT_LIMIT is clamped from ${wantedRequests} to ${half}: the process may open ${descriptors} files (ulimit -n)`,
  };
}
