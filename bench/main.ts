import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, describeVersions } from './measure/machine.ts';
import { stopAll } from './processes/child.ts';
import { runFromSource } from './processes/program.ts';
import type { ScenarioRun } from './report/types.ts';
import { loadRuns, writeReports } from './report/write.ts';
import { scenarios } from './scenarios/registry.ts';
import type { BenchContext, Check, Scenario } from './scenarios/types.ts';
import { benchFolder, installRivals, portkeyFolder, rootFolder, runFolder } from './setup.ts';

const USAGE = `bun bench/main.ts [--scenario NAME[,NAME…]] [--check] [--quick] [--only GATEWAY[,…]] [--source] [--list]

  --scenario  only these; without it, all but those that run by name only
  --check     exit with 1 when a number is missed
  --quick     one short round each: shows that it works; writes no report
  --only      only these gateways; writes no report
  --source    run the project from its sources instead of dist/tokenrouter; writes no report
  --list      name the scenarios`;

/** Where a whole run must be over. */
const DEADLINE_MS = 30 * 60_000;

function pickScenarios(names: string | undefined): readonly Scenario[] {
  if (names === undefined) return scenarios.filter((scenario) => scenario.byNameOnly !== true);
  return names.split(',').map((name) => {
    const found = scenarios.find((scenario) => scenario.name === name);
    if (found === undefined)
      throw new Error(`no scenario ${name}; there are: ${scenarios.map((one) => one.name).join(', ')}`);
    return found;
  });
}

/** Encoded histograms serve plots, which hold their points already. */
const withoutHistograms = (key: string, value: unknown): unknown =>
  key === 'histograms' ? undefined : value;

function show(check: Check): string {
  const measured = Number.isFinite(check.measured) ? Number(check.measured.toPrecision(4)) : '(not measured)';
  return `  ${check.met ? 'met   ' : 'MISSED'} ${check.name}: ${measured} ${check.unit}, ${check.relation} ${check.limit}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      scenario: { type: 'string' },
      only: { type: 'string' },
      check: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      source: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.list) {
    for (const { name, title, byNameOnly } of scenarios)
      console.log(`${name.padEnd(12)} ${title}${byNameOnly === true ? ' (by name only)' : ''}`);
    return 0;
  }
  if (values.source) runFromSource();
  const picked = pickScenarios(values.scenario === '' ? undefined : values.scenario);
  const context: BenchContext = {
    rivals: await installRivals(),
    quick: values.quick,
    only: values.only?.split(',') ?? null,
    log: (line) => console.log(line),
  };
  const machine = describeMachine();
  console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}`);
  console.log(`at most ${machine.descriptorLimit} descriptors per process`);
  const trial = values.quick || values.source || values.only !== undefined;
  const resultsFolder = trial ? join(runFolder, 'results') : join(benchFolder, 'results');
  mkdirSync(resultsFolder, { recursive: true });
  const startedMs = performance.now();
  const missed: string[] = [];
  for (const scenario of picked) {
    if (values.scenario === undefined && performance.now() - startedMs > DEADLINE_MS) {
      missed.push(`${scenario.name}: not run, the time was up`);
      continue;
    }
    console.log(`\n${scenario.name}: ${scenario.title}`);
    const scenarioStartedMs = performance.now();
    try {
      const outcome = await scenario.run(context);
      const run: ScenarioRun = {
        name: scenario.name,
        title: scenario.title,
        method: scenario.method,
        finishedAt: new Date().toISOString(),
        seconds: Math.round((performance.now() - scenarioStartedMs) / 1000),
        quick: values.quick,
        machine,
        versions: describeVersions(rootFolder, portkeyFolder),
        ...outcome,
      };
      writeFileSync(
        join(resultsFolder, `${scenario.name}.json`),
        `${JSON.stringify(run, withoutHistograms)}\n`,
      );
      // Without the project's own gateway there is nothing to check.
      const checked = context.only === null || context.only.includes('tokenrouter');
      for (const check of checked ? run.checks : []) {
        console.log(show(check));
        if (!check.met) missed.push(`${scenario.name}: ${check.name}`);
      }
    } catch (error) {
      console.error(error);
      missed.push(`${scenario.name}: failed`);
    }
    await stopAll();
  }
  const reportFolder = trial ? resultsFolder : benchFolder;
  writeReports(
    loadRuns(
      resultsFolder,
      scenarios.map(({ name }) => name),
    ),
    reportFolder,
  );
  rmSync(join(runFolder, 'gateways'), { recursive: true, force: true });
  console.log(`\n${Math.round((performance.now() - startedMs) / 1000)} s in all`);
  if (missed.length > 0) console.log(`missed or failed:\n  ${missed.join('\n  ')}`);
  return values.check && missed.length > 0 ? 1 : 0;
}

let code = 1;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void stopAll().then(() => process.exit(130)));
try {
  code = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
} finally {
  await stopAll();
}
process.exit(code);
