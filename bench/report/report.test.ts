import { describe, expect, test } from 'bun:test';
import { check } from '../scenarios/types.ts';
import { formatCell } from './format.ts';
import { renderHtml } from './html.ts';
import { renderMarkdown } from './markdown.ts';
import { renderPlot } from './svg.ts';
import type { ScenarioRun } from './types.ts';

const run: ScenarioRun = {
  name: 'fixture',
  title: 'A fixture <b>',
  method: 'Closed loop with `code`.',
  finishedAt: '2026-11-24T10:00:00.000Z',
  seconds: 12,
  quick: false,
  machine: {
    cpu: 'Some CPU',
    cores: 2,
    memoryGiB: 8,
    kernel: '6.1',
    system: 'Linux',
    descriptorLimit: 20_000,
  },
  versions: { tokenrouter: 'abc', nginx: '1.22' },
  tables: [
    {
      title: 'Requests',
      columns: ['gateway', 'CPU µs', 'requests/s'],
      rows: [
        ['nginx', 15.2, 53_600],
        ['a|b', null, Number.NaN],
      ],
      note: 'A note.',
    },
  ],
  plots: [
    {
      title: 'Overhead',
      xLabel: 'percentile',
      yLabel: 'ms',
      xScale: 'percentile',
      yScale: 'log',
      series: [
        {
          name: 'nginx',
          points: [
            [50, 0.5],
            [99, 4],
            [99.9, 20],
          ],
        },
        { name: 'absent', points: [] },
      ],
    },
  ],
  checks: [check('ratio', 1.7, 'at most', 1.8, '×'), check('rate', Number.NaN, 'at least', 10, '/s')],
  notes: ['Something to know.'],
  samples: [],
};

test('check compares in the right direction and never accepts what was not measured', () => {
  expect(check('a', 1, 'at most', 1, '').met).toBe(true);
  expect(check('a', 1.01, 'at most', 1, '').met).toBe(false);
  expect(check('a', 1, 'at least', 1, '').met).toBe(true);
  expect(check('a', 0.99, 'at least', 1, '').met).toBe(false);
  expect(check('a', Number.NaN, 'at most', 1, '').met).toBe(false);
  expect(check('a', Infinity, 'at least', 1, '').met).toBe(false);
});

test('cells', () => {
  expect([
    formatCell(null),
    formatCell(Number.NaN),
    formatCell(15.2),
    formatCell(53_600),
    formatCell('x'),
  ]).toEqual(['–', '–', '15.2', '53,600', 'x']);
});

test('the Markdown report has tables, checks, machine and notes', () => {
  const text = renderMarkdown([run]);
  expect(text).toContain('## Numbers to meet: 1 of 2 met');
  expect(text).toContain('| fixture | ratio | 1.7 × | at most 1.8 × | met |');
  expect(text).toContain('| fixture | rate | not measured | at least 10 /s | **missed** |');
  expect(text).toContain('| nginx | 15.2 | 53,600 |');
  expect(text).toContain('| a\\|b | – | – |');
  expect(text).toContain('Some CPU, 2 cores');
  expect(text).toContain('tokenrouter abc, nginx 1.22');
  expect(text).toContain('- Something to know.');
});

test('the HTML report stands alone and escapes what it is given', () => {
  const html = renderHtml([run]);
  expect(html).toContain('A fixture &lt;b&gt;');
  expect(html).toContain('<code>code</code>');
  expect(html).toContain('class="missed">missed');
  expect(html).toContain('<svg');
  expect(html).not.toMatch(/(?:src|href)="http/);
});

describe('plots', () => {
  test('leave out series without points and stay inside their frame', () => {
    const svg = renderPlot(run.plots[0]!);
    expect(svg).toContain('nginx');
    expect(svg).not.toContain('absent');
    const points = /points="([^"]+)"/.exec(svg)?.[1]?.split(' ') ?? [];
    expect(points.length).toBe(3);
    for (const point of points) {
      const [x = Number.NaN, y = Number.NaN] = point.split(',').map(Number);
      expect(x).toBeGreaterThanOrEqual(58);
      expect(x).toBeLessThanOrEqual(450);
      expect(y).toBeGreaterThanOrEqual(12);
      expect(y).toBeLessThanOrEqual(220);
    }
  });

  test('nothing to draw is no picture', () => {
    expect(renderPlot({ ...run.plots[0]!, series: [] })).toBe('');
  });
});
