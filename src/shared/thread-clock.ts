import { readFileSync, readlinkSync } from 'node:fs';

/** The kernel's id of the calling thread; 0 where the system does not tell (off Linux). */
export function ownThreadId(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1)) || 0;
  } catch {
    return 0;
  }
}

/**
 * Whether a thread of this process runs or waits for a processor, and for nothing else; null where the system does not tell or the
 * thread has ended (proc(5), `/proc/pid/task/tid/stat`: the state follows the name, which is in brackets and may hold any).
 */
export function isRunnable(id: number): boolean | null {
  if (id === 0) return null;
  try {
    const stat = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2) === 'R';
  } catch {
    return null;
  }
}

/**
 * Processor time that a thread of this process has had, in ms, in steps of the kernel's clock (4 ms as a rule); null where the
 * system does not tell or the thread has ended (proc(5), `/proc/pid/task/tid/schedstat`: nanoseconds on the processor come first).
 */
export function threadCpuMs(id: number): number | null {
  if (id === 0) return null;
  try {
    const ns = Number(readFileSync(`/proc/self/task/${id}/schedstat`, 'utf8').split(' ', 1)[0]);
    return Number.isFinite(ns) ? ns / 1e6 : null;
  } catch {
    return null;
  }
}
