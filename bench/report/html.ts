import type { Table } from '../scenarios/types.ts';
import { formatCell, formatMeasured, INTRODUCTION, PROFILE, provenance } from './format.ts';
import { escapeXml, renderPlot } from './svg.ts';
import type { ScenarioRun } from './types.ts';

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
table{border-collapse:collapse;margin:.4rem 0 1.2rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:right}
th:first-child,td:first-child{text-align:left}
.met{color:#2f7d32}.missed{color:#c0392b;font-weight:600}
figure{display:inline-block;margin:.5rem 1rem .5rem 0}figcaption{font-weight:600}
svg{font:11px system-ui,sans-serif}svg .g{stroke:#e4e4e4}
small{color:#555}
@media (prefers-color-scheme:dark){body{background:#161616;color:#e6e6e6}th,td{border-color:#3a3a3a}svg text{fill:#ccc}svg .g{stroke:#333}small{color:#aaa}}`;

/** Inline code of the texts, which are written in Markdown. */
const text = (markdown: string): string => escapeXml(markdown).replaceAll(/`([^`]*)`/g, '<code>$1</code>');

function renderTable(table: Table): string {
  const row = (tag: 'th' | 'td', cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${text(cell)}</${tag}>`).join('')}</tr>`;
  return `<table><caption>${text(table.title)}</caption>${row('th', table.columns)}${table.rows
    .map((cells) => row('td', cells.map(formatCell)))
    .join('')}</table>${table.note === undefined ? '' : `<p><small>${text(table.note)}</small></p>`}`;
}

/** The report as one HTML file without any other. */
export function renderHtml(runs: readonly ScenarioRun[]): string {
  const checks = runs.flatMap((run) => run.checks.map((check) => ({ run, check })));
  const met = checks.filter(({ check }) => check.met).length;
  const checkRows = checks.map(
    ({ run, check }) =>
      `<tr><td>${run.name}</td><td>${text(check.name)}</td><td>${formatMeasured(check)}</td><td>${check.relation} ${formatCell(check.limit)} ${check.unit}</td><td class="${check.met ? 'met">met' : 'missed">missed'}</td></tr>`,
  );
  const sections = runs.map(
    (run) =>
      `<h2 id="${run.name}">${text(run.title)}</h2><p>${text(run.method)}</p>${run.tables.map(renderTable).join('')}${run.plots
        .map((plot) => ({ plot, svg: renderPlot(plot) }))
        .filter(({ svg }) => svg !== '')
        .map(({ plot, svg }) => `<figure><figcaption>${text(plot.title)}</figcaption>${svg}</figure>`)
        .join(
          '',
        )}${run.notes.length === 0 ? '' : `<ul>${run.notes.map((note) => `<li>${text(note)}</li>`).join('')}</ul>`}`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>TokenRouter benchmark report</title><style>${STYLE}</style>
<h1>Benchmark report</h1><p>${text(INTRODUCTION)}</p><ul>${provenance(runs)
    .map((line) => `<li>${text(line)}</li>`)
    .join('')}</ul>
<h2>Numbers to meet: ${met} of ${checks.length} met</h2><table><tr><th>scenario</th><th>number</th><th>measured</th><th>limit</th><th></th></tr>${checkRows.join('')}</table><p><a href="${PROFILE.file}">${PROFILE.words}</a></p>
${sections.join('\n')}</html>
`;
}
