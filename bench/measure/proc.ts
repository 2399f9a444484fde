import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks per second of `/proc/PID/stat` (`getconf CLK_TCK`): 100 on every Linux of this century. */
const TICKS_PER_SECOND = 100;
const US_PER_TICK = 1_000_000 / TICKS_PER_SECOND;

/** What `/proc/PID/stat` says of one process; its times are those of all its threads, finished ones included. */
export interface ProcessStat {
  readonly pid: number;
  readonly parentPid: number;
  readonly cpuUs: number;
}

/** Parses one `/proc/PID/stat` line (proc(5)): the command may hold spaces and parentheses, so fields count from the last `)`. */
export function parseStat(line: string): ProcessStat {
  const close = line.lastIndexOf(')');
  const open = line.indexOf('(');
  if (open < 0 || close < open) throw new Error(`not a /proc/PID/stat line: ${line.slice(0, 80)}`);
  const fields = line.slice(close + 2).split(' ');
  // After the command: state is field 3 of proc(5), so ppid (4) is at 1, utime (14) at 11, stime (15) at 12.
  const utime = Number(fields[11]);
  const stime = Number(fields[12]);
  const parentPid = Number(fields[1]);
  if (!Number.isFinite(utime + stime + parentPid)) throw new Error(`short /proc/PID/stat line: ${line}`);
  return { pid: Number(line.slice(0, open).trim()), parentPid, cpuUs: (utime + stime) * US_PER_TICK };
}

/** `VmRSS`, `VmHWM` and the like of `/proc/PID/status`, in MiB; 0 where the line is missing. */
export function parseStatusMiB(status: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status);
  return match === null ? 0 : Number(match[1]) / 1024;
}

function statOf(pid: number): ProcessStat | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return null; // It has just ended.
  }
}

/** A process and all that descend from it (nginx's workers are children of its master). */
export function processTree(rootPid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat === null) continue;
    const siblings = children.get(stat.parentPid);
    if (siblings === undefined) children.set(stat.parentPid, [stat.pid]);
    else siblings.push(stat.pid);
  }
  const tree = [rootPid];
  for (let index = 0; index < tree.length; index++) tree.push(...(children.get(tree[index] ?? 0) ?? []));
  return tree;
}

/** User and system time spent so far by a process and its descendants, in µs (steps of one tick, 10 ms). */
export function cpuUsOfTree(rootPid: number): number {
  let total = 0;
  for (const pid of processTree(rootPid)) total += statOf(pid)?.cpuUs ?? 0;
  return total;
}

/** Resident memory of a process and its descendants, in MiB; pages shared between them count once each. */
export function rssMiBOfTree(rootPid: number): number {
  let total = 0;
  for (const pid of processTree(rootPid)) {
    try {
      total += parseStatusMiB(readFileSync(`/proc/${pid}/status`, 'latin1'), 'VmRSS');
    } catch {
      // It has just ended.
    }
  }
  return total;
}

/** Soft limit of open descriptors for this process and those it starts. */
export function descriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1024);
}
