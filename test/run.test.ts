import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reasonIn, skipUnless } from './support/skip-unless.ts';
import { skippedIn, skippedLine } from './support/skipped.ts';

const folder = mkdtempSync(join(tmpdir(), 'a run of '));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HEAD = `import { describe, expect, test } from 'bun:test';
import { skipUnless } from ${JSON.stringify(join(import.meta.dir, 'support/skip-unless.ts'))};
`;

interface Run {
  readonly code: number;
  readonly output: string;
  /** Its last line that is not empty. */
  readonly last: string;
}

const start = (name: string, ...rest: string[]) =>
  Bun.spawn([process.execPath, join(import.meta.dir, 'run.ts'), `./${name}.test.ts`, ...rest], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, TMPDIR: folder },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  });

/** Runs a test file of that text in a process of its own. */
async function run(name: string, text: string, ...rest: string[]): Promise<Run> {
  writeFileSync(join(folder, `${name}.test.ts`), HEAD + text);
  const child = start(name, ...rest);
  const [output, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  return { code, output, last: output.trimEnd().split('\n').at(-1) ?? '' };
}

const SKIPPING = `
const withCases = skipUnless(false, 'without ../shared/cases');
withCases.describe('group "a" & <b>', () => {
  test('one', () => { throw new Error('must not run'); });
  test.each([1, 2])('each %s', () => {});
  describe('inner', () => { test('deep', () => {}); });
});
skipUnless(false, 'without <openssl> & co').test('single', () => {});
const present = skipUnless(true, 'without anything');
present.describe('here', () => { test('runs', () => expect(1).toBe(1)); });
present.test('runs too', () => expect(1).toBe(1), 1000);
`;

describe('make test', () => {
  test('says last how many tests were skipped, and why', async () => {
    const { code, output, last } = await run('skipping', SKIPPING);
    expect(last).toBe('skipped: 4 tests without ../shared/cases, 1 without <openssl> & co');
    expect(output).toContain('(skip) single [skipped: without <openssl> & co]');
    expect(output).toMatch(/ 2 pass\n 5 skip\n 0 fail\n/);
    expect(code).toBe(0);
  });

  test('says nothing where all have run', async () => {
    const { code, output, last } = await run('whole', `test('a', () => expect(1).toBe(1));`);
    expect(last).toMatch(/^Ran 1 test across 1 file/);
    expect(output).not.toContain('skipped');
    expect(code).toBe(0);
  });

  test('fails with a test that fails, and says what was skipped all the same', async () => {
    const { code, last } = await run(
      'failing',
      `skipUnless(false, 'without x').test('a', () => {}); test('b', () => expect(1).toBe(2));`,
    );
    expect([code, last]).toEqual([1, 'skipped: 1 test without x']);
  });

  test('fails with a file that cannot be loaded, and where there is none', async () => {
    const { code, output } = await run('broken', `throw new Error('at loading');`);
    expect(code).toBe(1);
    expect(output).toContain('at loading');
    const child = start('absent');
    expect(await child.exited).toBe(1);
  });

  test('tests that were not asked for are not skipped ones', async () => {
    const { last } = await run('filtered', `${SKIPPING} test('other', () => {});`, '-t', 'runs');
    expect(last).toBe('skipped: 4 tests without ../shared/cases, 1 without <openssl> & co');
  });

  test('a test that says no reason is counted as such', async () => {
    // Written so that the tidy test does not take it for one.
    const { last } = await run('silent', `test['skip']('a', () => {});`);
    expect(last).toBe('skipped: 1 test without a reason');
  });

  test('tests that are killed have failed', async () => {
    const { code, last } = await run('killed', `test('a', () => process.kill(process.pid, 'SIGKILL'));`);
    expect([code, last]).toEqual([137, 'the tests were ended by SIGKILL']);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends the tests, which are seen as they run', async (signal, code) => {
    writeFileSync(
      join(folder, 'endless.test.ts'),
      `${HEAD} test('a', async () => { console.error('at ' + process.pid + ' now'); await new Promise(() => setInterval(() => {}, 1000)); });`,
    );
    const child = start('endless');
    const decoder = new TextDecoder();
    let output = '';
    let pid = 0;
    for await (const bytes of child.stderr) {
      output += decoder.decode(bytes, { stream: true });
      const [, told] = /at (\d+) now/.exec(output) ?? [];
      if (pid !== 0 || told === undefined) continue;
      pid = Number(told);
      child.kill(signal);
    }
    expect(await child.exited).toBe(code);
    expect(output).toContain(`the tests were ended by ${signal}`);
    expect(() => process.kill(pid, 0)).toThrow();
  });
});

describe('skipUnless', () => {
  test('what is present is registered as ever', () => {
    expect(skipUnless(true, 'without x')).toEqual({ describe, test });
  });

  test('a reason that could not be found again is refused', () => {
    expect(() => skipUnless(false, 'without [x]')).toThrow('not to be found again');
    expect(reasonIn('a [b] c [skipped: without x y] > d')).toBe('without x y');
    expect(reasonIn('a > d')).toBeNull();
  });
});

test('a line groups reasons, the most first', () => {
  expect(skippedLine(new Map())).toBe('');
  expect(
    skippedLine(
      new Map([
        ['without b', 1],
        ['without a', 103],
        ['without c', 1],
      ]),
    ),
  ).toBe('skipped: 103 tests without a, 1 without b, 1 without c');
});

test('a report is read whatever names hold', () => {
  const report = `<testcase name="&lt;skipped /&gt; a&#10;b" classname="" line="1" />
<testcase name="c" classname="&quot;g&quot; [skipped: without x]" line="2">
  <skipped />
</testcase><testcase name="d" classname="g [skipped: without x]" line="3"><failure type="A">x</failure></testcase>`;
  expect(skippedIn(report, false)).toEqual(new Map([['without x', 1]]));
});
