import { availableParallelism } from 'node:os';
import type { ControlThread } from '../shared/memory-map.ts';

export type ThreadName = 'proxy' | ControlThread;

/** With more the primary, which all wait for, would be the last to load. */
const MAX_EARLY_PROXIES = 2;

/** Where a built binary keeps the entries named on its build line; all of its modules lie in this one root. */
const BINARY_ROOT = 'file:///$bunfs/root/';

const early: { readonly name: ThreadName; readonly thread: Worker }[] = [];

/**
 * Lets threads load their code while the primary still loads its own and reads the configuration: a start is mostly
 * loading, and there is a second core. They wait for their first message; {@link spawnThread} hands them out.
 *
 * @param workers WORKERS as it was given, not validated yet
 */
export function spawnEarly(workers: string | undefined): void {
  const proxies = Math.min(MAX_EARLY_PROXIES, Number(workers) || availableParallelism());
  add('storage');
  for (let proxy = 0; proxy < proxies; proxy++) add('proxy');
}

/** A thread that has been told nothing yet. */
export function spawnThread(name: ThreadName): Worker {
  const at = early.findIndex((one) => one.name === name);
  return at < 0 ? newThread(name) : early.splice(at, 1)[0]!.thread;
}

function add(name: ThreadName): void {
  early.push({ name, thread: newThread(name) });
}

function newThread(name: ThreadName): Worker {
  return new Worker(
    import.meta.url.startsWith(BINARY_ROOT)
      ? new URL(`workers/${name}.ts`, BINARY_ROOT)
      : new URL(`../../workers/${name}.ts`, import.meta.url),
  );
}
