/** One line of Prometheus text. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Exposition {
  /** By full name, as declared. */
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
}

const LABEL = /(\w+)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)/gy;
const ESCAPES: Readonly<Record<string, string>> = { '\\\\': '\\', '\\"': '"', '\\n': '\n' };

function labelsOf(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`no labels: ${line}`);
    labels[match[1]!] = match[2]!.replace(/\\[\\"n]/g, (escape) => ESCAPES[escape]!);
  }
  return labels;
}

/** Reads exposition format 0.0.4, strictly: whatever is no comment and no sample throws. */
export function parseExposition(text: string): Exposition {
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string];
      const declared = kind === 'TYPE' ? types : helps;
      if (declared.has(name)) throw new Error(`declared twice: ${line}`);
      declared.set(name, rest);
      continue;
    }
    const sample = /^([a-zA-Z_:]\w*)(?:\{(.*)\})? (-?[\d.]+(?:e[-+]?\d+)?|[+-]Inf|NaN)$/.exec(line);
    if (sample === null) throw new Error(`no sample: ${line}`);
    const value = sample[3]!.endsWith('Inf')
      ? Number(`${sample[3]!.slice(0, 1)}Infinity`)
      : Number(sample[3]);
    samples.push({ name: sample[1]!, labels: labelsOf(sample[2] ?? '', line), value });
  }
  return { types, helps, samples };
}
