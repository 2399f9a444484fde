import type { Plot } from '../scenarios/types.ts';

const WIDTH = 560;
const HEIGHT = 260;
const LEFT = 58;
const RIGHT = 110;
const TOP = 12;
const BOTTOM = 40;
const COLOURS = ['#888888', '#2f7d32', '#8a5a00', '#7b3fa0', '#1f5fbf', '#c0392b', '#00838f'];
/** One colour per gateway in every plot. */
const NAMED: Readonly<Record<string, string>> = {
  direct: '#888888',
  nginx: '#2f7d32',
  haproxy: '#8a5a00',
  portkey: '#7b3fa0',
  tokenrouter: '#1f5fbf',
};

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

interface Axis {
  /** 0…1 along the axis. */
  place(value: number): number;
  readonly ticks: readonly number[];
}

function linearAxis(values: readonly number[]): Axis {
  const top = Math.max(...values, 1e-9);
  const low = Math.min(0, ...values);
  const rough = (top - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const end = Math.ceil(top / step) * step;
  const ticks: number[] = [];
  for (let tick = 0; tick * step <= end + step / 1e6; tick++)
    ticks.push(Number((tick * step).toPrecision(6)));
  return { place: (value) => (value - low) / (end - low), ticks };
}

function logAxis(values: readonly number[]): Axis {
  const positive = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...positive, 1)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive, 1))));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return {
    place: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low),
    ticks,
  };
}

/** 0, 90, 99, 99.9 … at equal distances. */
function percentileAxis(values: readonly number[]): Axis {
  const nines = (percentile: number): number => -Math.log10(Math.max(1e-5, 1 - percentile / 100));
  const end = Math.max(1, ...values.map(nines));
  return {
    place: (value) => nines(value) / end,
    ticks: [0, 50, 90, 99, 99.9, 99.99].filter((tick) => nines(tick) <= end + 1e-9),
  };
}

const axisOf = (scale: Plot['xScale'], values: readonly number[]): Axis =>
  scale === 'log' ? logAxis(values) : scale === 'percentile' ? percentileAxis(values) : linearAxis(values);

const short = (value: number): string =>
  value >= 1e6 ? `${value / 1e6}M` : value >= 1e4 ? `${value / 1e3}k` : String(Number(value.toPrecision(6)));

/** A small line plot as inline SVG. */
export function renderPlot(plot: Plot): string {
  const series = plot.series.filter((one) => one.points.length > 0);
  if (series.length === 0) return '';
  const xAxis = axisOf(
    plot.xScale,
    series.flatMap((one) => one.points.map(([x]) => x)),
  );
  const yAxis = axisOf(
    plot.yScale,
    series.flatMap((one) => one.points.map(([, y]) => y)),
  );
  const x = (value: number): string => (LEFT + xAxis.place(value) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value: number): string =>
    (HEIGHT - BOTTOM - yAxis.place(value) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const parts = [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escapeXml(plot.title)}">`,
  ];
  for (const tick of yAxis.ticks)
    parts.push(
      `<path class="g" d="M${LEFT} ${y(tick)}H${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${Number(y(tick)) + 4}" text-anchor="end">${short(tick)}</text>`,
    );
  for (const tick of xAxis.ticks)
    parts.push(
      `<path class="g" d="M${x(tick)} ${TOP}V${HEIGHT - BOTTOM}"/><text x="${x(tick)}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${short(tick)}</text>`,
    );
  parts.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeXml(plot.xLabel)}</text>`,
    `<text transform="translate(12 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escapeXml(plot.yLabel)}</text>`,
  );
  for (const [index, one] of series.entries()) {
    const colour = NAMED[one.name] ?? COLOURS[index % COLOURS.length] ?? '#000';
    const points = one.points.map(([px, py]) => `${x(px)},${y(py)}`).join(' ');
    const legendY = TOP + 10 + index * 16;
    parts.push(
      `<polyline fill="none" stroke="${colour}" stroke-width="1.8" points="${points}"/>`,
      `<path stroke="${colour}" stroke-width="3" d="M${WIDTH - RIGHT + 10} ${legendY - 4}h14"/><text x="${WIDTH - RIGHT + 28}" y="${legendY}">${escapeXml(one.name)}</text>`,
    );
  }
  return `${parts.join('')}</svg>`;
}
