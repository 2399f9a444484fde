import type { Table } from '../scenarios/types.ts';
import { formatCell, formatMeasured, INTRODUCTION, PROFILE, provenance } from './format.ts';
import type { ScenarioRun } from './types.ts';

const escape = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function renderTable(table: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escape).join(' | ')} |`;
  return [
    `**${table.title}**`,
    '',
    line(table.columns),
    line(table.columns.map((_, index) => (index === 0 ? '---' : '---:'))),
    ...table.rows.map((row) => line(row.map(formatCell))),
    ...(table.note === undefined ? [] : ['', table.note]),
    '',
  ].join('\n');
}

/** The report as Markdown: tables and checks; plots are in the HTML form. */
export function renderMarkdown(runs: readonly ScenarioRun[]): string {
  const checks = runs.flatMap((run) => run.checks.map((check) => ({ run, check })));
  const met = checks.filter(({ check }) => check.met).length;
  const lines = [
    '# Benchmark report',
    '',
    INTRODUCTION,
    '',
    ...provenance(runs).map((line) => `- ${line}`),
    '',
    `## Numbers to meet: ${met} of ${checks.length} met`,
    '',
    '| scenario | number | measured | limit | |',
    '| --- | --- | ---: | ---: | --- |',
    ...checks.map(
      ({ run, check }) =>
        `| ${run.name} | ${escape(check.name)} | ${formatMeasured(check)} | ${check.relation} ${formatCell(check.limit)} ${check.unit} | ${check.met ? 'met' : '**missed**'} |`,
    ),
    '',
    `${PROFILE.words}: [${PROFILE.file}](${PROFILE.file}).`,
    '',
  ];
  for (const run of runs) {
    lines.push(`## ${run.title} (\`${run.name}\`)`, '', run.method, '');
    for (const table of run.tables) lines.push(renderTable(table));
    for (const note of run.notes) lines.push(`- ${note}`);
    if (run.notes.length > 0) lines.push('');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}
