import { describe, expect, test } from 'bun:test';
import {
  cpuUsOfTree,
  descriptorLimit,
  parseStat,
  parseStatusMiB,
  processTree,
  rssMiBOfTree,
} from './proc.ts';

describe('parseStat', () => {
  // After `)`: state, ppid, pgrp, session, tty, tpgid, flags, minflt, cminflt, majflt, cmajflt, utime, stime, …
  const rest = 'S 17 42 42 0 -1 4194304 100 0 0 0 250 50 7 7 20 0 3 0 1234 1000000 500';

  test('reads parent and CPU time of all threads', () => {
    expect(parseStat(`42 (nginx) ${rest}`)).toEqual({ pid: 42, parentPid: 17, cpuUs: 3_000_000 });
  });

  test('a command may hold spaces and parentheses', () => {
    expect(parseStat(`42 (a) (b c) ${rest}`).parentPid).toBe(17);
  });

  test('what is no such line is refused', () => {
    expect(() => parseStat('')).toThrow('not a /proc/PID/stat line');
    expect(() => parseStat('42 (nginx) S 17')).toThrow('short');
  });
});

test('parseStatusMiB reads one field', () => {
  const status = 'Name:\tnginx\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\nThreads:\t1\n';
  expect(parseStatusMiB(status, 'VmRSS')).toBe(2);
  expect(parseStatusMiB(status, 'VmHWM')).toBe(4);
  expect(parseStatusMiB(status, 'VmSwap')).toBe(0);
});

test('a tree holds children and grandchildren, and their CPU time counts', async () => {
  // The shell waits for a shell that burns until it is told to stop.
  const child = Bun.spawn(['sh', '-c', 'sh -c "echo started; while :; do :; done"; :'], { stdout: 'pipe' });
  try {
    await child.stdout.getReader().read();
    const tree = processTree(child.pid);
    expect(tree[0]).toBe(child.pid);
    expect(tree.length).toBe(2);
    const deadlineMs = performance.now() + 10_000;
    while (cpuUsOfTree(child.pid) === 0 && performance.now() < deadlineMs) await Bun.sleep(5);
    expect(cpuUsOfTree(child.pid)).toBeGreaterThan(0);
    expect(rssMiBOfTree(child.pid)).toBeGreaterThan(0);
  } finally {
    for (const pid of processTree(child.pid).toReversed()) process.kill(pid, 'SIGKILL');
    await child.exited;
  }
});

test('a process that has ended counts nothing', () => {
  expect(cpuUsOfTree(2 ** 22 + 1)).toBe(0);
  expect(rssMiBOfTree(2 ** 22 + 1)).toBe(0);
});

test('the descriptor limit is a number', () => {
  expect(descriptorLimit()).toBeGreaterThan(0);
});
