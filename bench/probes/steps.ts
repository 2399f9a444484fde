import { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { DialectId } from '../../src/providers/types.ts';
import { ownThreadId, threadCpuMs } from '../../src/shared/thread-clock.ts';
import { inputOf, optionsFor } from './pipeline-options.ts';

/**
 * Prints how long the longest step of preparing a body of the largest size takes, in ms of the thread's processor time, by what the
 * body is made of and where it goes. Linux only. Argument: rounds, of which the median counts; 5 when absent.
 */
const ROUNDS = Number(process.argv[2] ?? 5);
const BYTES = 31 * 1024 * 1024;
const ROUTES: readonly (readonly [client: DialectId, vendor: DialectId])[] = [
  ['openai-chat', 'openai-chat'],
  ['openai-chat', 'anthropic-messages'],
  ['anthropic-messages', 'anthropic-messages'],
  ['anthropic-messages', 'openai-chat'],
];

const filled = (unit: string): string => unit.repeat(Math.floor(BYTES / unit.length));
const chat = (messages: string, more = ''): string =>
  `{"model":"m","max_tokens":100${more},"messages":[${messages}]}`;
const user = (content: string): string => `{"role":"user","content":"${content}"}`;

/** Bodies of both dialects, and of one alone where the other has no such thing. */
const BODIES: Readonly<Record<string, (client: DialectId) => string | null>> = {
  'two-byte escapes': () => chat(user(filled(String.raw`\u00e9`))),
  'three-byte escapes': () => chat(user(filled(String.raw`\u4e2d`))),
  'halves of pairs': () => chat(user(filled(String.raw`\ud83d`))),
  'escaped slashes': () => chat(user(filled(String.raw`\/`))),
  'plain text': () => chat(user(filled('plain text '))),
  'escapes in arguments': (client) =>
    client === 'openai-chat'
      ? chat(
          `${user('x')},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\\"a\\":\\"${filled(String.raw`\u00e9`)}\\"}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}`,
        )
      : null,
  'values in arguments': (client) =>
    client === 'openai-chat'
      ? chat(
          `${user('x')},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\\"a\\":[${filled('1, ')}1]}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}`,
        )
      : null,
  messages: () => chat(`${filled(`${user('x')}, {"role":"assistant","content":"y"},`)}${user('x')}`),
  parts: () =>
    chat(
      `{"role":"user","content":[${filled(String.raw`{"type":"text","text":"\u00e9"},`)}{"type":"text","text":"x"}]}`,
    ),
  'unknown field': () => chat(user('x'), `,"other":[${filled('1, ')}1]`),
  'deep unknown field': () => chat(user('x'), `,"other":[${filled('[[[[[[[[[]]]]]]]]], ')}1]`),
};

const clock = ownThreadId();
const cpuMs = (): number => threadCpuMs(clock) ?? performance.now();

/** The longest step, or null for a body that is refused. */
function longestMs(body: Buffer, [client, vendor]: (typeof ROUTES)[number]): number | null {
  const steps = new Pipeline(optionsFor(vendor)).prepareInSteps(inputOf(body, client));
  let longest = 0;
  try {
    for (;;) {
      const startedMs = cpuMs();
      const { done } = steps.next();
      longest = Math.max(longest, cpuMs() - startedMs);
      if (done === true) return longest;
    }
  } catch {
    return null;
  }
}

for (const [name, make] of Object.entries(BODIES)) {
  for (const route of ROUTES) {
    const text = make(route[0]);
    if (text === null) continue;
    const body = Buffer.from(text);
    const rounds = Array.from({ length: ROUNDS + 1 }, () => longestMs(body, route)).slice(1);
    const median = rounds.toSorted((one, other) => (one ?? 0) - (other ?? 0))[ROUNDS >> 1] ?? null;
    const said =
      median === null
        ? 'refused'
        : `${median.toFixed(0)} ms (at most ${Math.max(...rounds.map((one) => one ?? 0)).toFixed(0)})`;
    console.log(`${route[0]} to ${route[1]}, ${name}: ${said}`);
  }
}
