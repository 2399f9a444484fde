import { limits } from '../limits.ts';
import { fitLine } from '../measure/statistics.ts';
import { runProbe } from '../probes/child.ts';
import type { PipelineCost } from '../probes/pipeline.ts';
import { hasRecordedConversation } from '../prompts/agent.ts';
import { check, type Cell, type Scenario } from './types.ts';

const MEASURE_MS = 1000;
const QUICK_MS = 150;
const REFERENCE_BYTES = 187_000;

/** Time of the pipeline by size of body: it must grow with the body and not faster. */
export const bodies: Scenario = {
  name: 'bodies',
  title: 'Pipeline by size of body',
  method:
    'In one process without network: median time of the whole pipeline over a short chat, over an agent’s request whose messages are repeated to the size (also as Python spells JSON, and between dialects, marks for the vendor’s cache included), and over one that carries an image. Each run’s body differs in a few digits near its end. The cost beyond 187 KB is the slope of the line through all larger bodies. What conversion adds is the difference to a vendor that speaks the client’s dialect, the same body run by turns, without marks. In one piece: with the parts of the vendor’s body joined.',
  run: async (context) => {
    const costs = (await runProbe(
      'pipeline',
      String(context.quick ? QUICK_MS : MEASURE_MS),
    )) as PipelineCost[];
    const agents = costs.filter(({ kind }) => kind === 'agent');
    const image = costs.find(({ kind }) => kind === 'image');
    const reference = agents.find(({ bytes }) => bytes >= REFERENCE_BYTES);
    const beyond = agents.filter(({ bytes }) => bytes >= REFERENCE_BYTES);
    // One body has no slope; a level line would meet any limit.
    const slopeUsPerKb =
      beyond.length < 2
        ? Number.NaN
        : fitLine(beyond.map(({ bytes, wholeMs }) => [bytes / 1000, wholeMs * 1000])).slope;
    const stages = Object.keys(costs[0]?.stagesMs ?? {});
    const conversions = costs.filter(({ conversionMs }) => conversionMs !== null);
    return {
      tables: [
        {
          title: 'Median time, ms',
          columns: ['body', 'KB', 'whole', 'P99', 'µs/KB', 'in one piece', 'conversion adds', ...stages],
          rows: costs.map((cost) =>
            [
              cost.kind as Cell,
              Math.round(cost.bytes / 1000),
              cost.wholeMs,
              cost.p99Ms,
              (cost.wholeMs * 1000) / (cost.bytes / 1000),
              cost.joinedMs,
              cost.conversionMs,
            ].concat(stages.map((stage) => cost.stagesMs[stage] ?? Number.NaN)),
          ),
        },
      ],
      plots: [
        {
          title: 'Pipeline by size of body',
          xLabel: 'KB',
          yLabel: 'ms',
          xScale: 'linear',
          yScale: 'linear',
          series: [
            { name: 'whole', points: agents.map(({ bytes, wholeMs }) => [bytes / 1000, wholeMs] as const) },
            ...stages.map((stage) => ({
              name: stage,
              points: agents.map(({ bytes, stagesMs }) => [bytes / 1000, stagesMs[stage] ?? 0] as const),
            })),
          ],
        },
      ],
      checks: [
        check(
          'pipeline at 187 KB',
          reference?.wholeMs ?? Number.NaN,
          'at most',
          limits.bodies.msAt187Kb,
          'ms',
        ),
        check('pipeline beyond, per KB', slopeUsPerKb, 'at most', limits.bodies.usPerKbBeyond, 'µs'),
        check(
          'pipeline on a 10 MB image',
          image?.wholeMs ?? Number.NaN,
          'at most',
          limits.bodies.imageMs,
          'ms',
        ),
        ...conversions.map(({ conversionMs, kind }) =>
          check(
            `conversion adds at 187 KB (${kind})`,
            conversionMs ?? Number.NaN,
            'at most',
            limits.bodies.conversionMsAt187Kb,
            'ms',
          ),
        ),
      ],
      notes: hasRecordedConversation
        ? []
        : ['../shared/cases is absent: bodies grow from a made-up conversation, not from the recorded one.'],
      samples: [],
    };
  },
};
