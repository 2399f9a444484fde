import fc from 'fast-check';
import { jsonText, jsonValue } from '../../../std/json/testing/arbitrary.ts';
import { naiveWrite, type NaiveValue } from '../../../std/json/testing/naive.ts';
import { repeatedId, toolId } from '../tool-ids.ts';

/** A conversation of an agent, told in neither dialect. */
export interface Conversation {
  readonly systems: readonly string[];
  readonly turns: readonly Turn[];
  readonly question: string;
}
interface Turn {
  readonly question: string;
  readonly steps: readonly Step[];
  /** null: the user goes on before the model has said anything. Only after a step. */
  readonly answer: string | null;
}
interface Step {
  readonly text: string | null;
  readonly calls: readonly Call[];
}
interface Call {
  readonly id: string;
  readonly name: string;
  readonly input: NaiveValue;
  readonly result: string;
}

const said = jsonText.filter((text) => text.trim() !== '');
const call = fc.record({
  id: fc.oneof(fc.constant('call_1'), fc.string({ minLength: 1, maxLength: 6 })),
  name: jsonText,
  input: jsonValue.filter((value) => value.kind === 'object'),
  result: said,
});
const step = fc.record({
  text: fc.option(said),
  calls: fc.uniqueArray(call, { minLength: 1, maxLength: 3, selector: ({ id }) => id }),
});
const turn = fc
  .record({ question: said, steps: fc.array(step, { maxLength: 2 }), answer: fc.option(said) })
  .filter(({ steps, answer }) => steps.length > 0 || answer !== null);

export const conversation: fc.Arbitrary<Conversation> = fc.record({
  systems: fc.array(said, { maxLength: 2 }),
  turns: fc.array(turn, { maxLength: 3 }),
  question: said,
});

export const string = (text: string): NaiveValue => ({ kind: 'string', text });
export const array = (items: readonly NaiveValue[]): NaiveValue => ({ kind: 'array', items });
export const object = (entries: readonly (readonly [string, NaiveValue])[]): NaiveValue => ({
  kind: 'object',
  entries,
});
export const literal = (source: string): NaiveValue => ({ kind: 'literal', source });
const text = (one: string): NaiveValue =>
  object([
    ['type', string('text')],
    ['text', string(one)],
  ]);
const message = (role: string, content: NaiveValue, ...rest: (readonly [string, NaiveValue])[]): NaiveValue =>
  object([['role', string(role)], ['content', content], ...rest]);

/** The messages in Chat Completions. `idOf` is how ids of calls are written. */
export function chatMessages(told: Conversation, idOf = (id: string): string => id): NaiveValue[] {
  const out = told.systems.map((one) => message('system', string(one)));
  for (const { question, steps, answer } of told.turns) {
    out.push(message('user', string(question)));
    for (const { text, calls } of steps) {
      const made = calls.map(({ id, name, input }) =>
        object([
          ['id', string(idOf(id))],
          ['type', string('function')],
          [
            'function',
            object([
              ['name', string(name)],
              ['arguments', string(naiveWrite(input))],
            ]),
          ],
        ]),
      );
      const content = text === null ? literal('null') : string(text);
      out.push(message('assistant', content, ['tool_calls', array(made)]));
      for (const { id, result } of calls)
        out.push(
          object([
            ['role', string('tool')],
            ['tool_call_id', string(idOf(id))],
            ['content', string(result)],
          ]),
        );
    }
    if (answer !== null) out.push(message('assistant', string(answer)));
  }
  return [...out, message('user', string(told.question))];
}

/** The same in Messages, as the conversion is meant to write it. */
export function anthropicMessages(told: Conversation): { system: NaiveValue; messages: NaiveValue } {
  const messages: NaiveValue[] = [];
  let results: NaiveValue[] = [];
  const times = new Map<string, number>();
  const idOf = (id: string): string => repeatedId(toolId(id), times.get(toolId(id)) ?? 1);
  const say = (question: string): void => {
    if (results.length === 0) messages.push(message('user', string(question)));
    else messages.push(message('user', array([...results, text(question)])));
    results = [];
  };
  const flush = (): void => {
    if (results.length > 0) messages.push(message('user', array(results)));
    results = [];
  };
  for (const { question, steps, answer } of told.turns) {
    say(question);
    for (const { text: words, calls } of steps) {
      flush();
      for (const { id } of calls) times.set(toolId(id), (times.get(toolId(id)) ?? 0) + 1);
      const used = calls.map(({ id, name, input }) =>
        object([
          ['type', string('tool_use')],
          ['id', string(idOf(id))],
          ['name', string(name)],
          ['input', input],
        ]),
      );
      messages.push(message('assistant', array(words === null ? used : [text(words), ...used])));
      results = calls.map(({ id, result }) =>
        object([
          ['type', string('tool_result')],
          ['tool_use_id', string(idOf(id))],
          ['content', string(result)],
        ]),
      );
    }
    if (answer !== null) {
      flush();
      messages.push(message('assistant', array([text(answer)])));
    }
  }
  say(told.question);
  return { system: array(told.systems.map(text)), messages: array(messages) };
}

/** A conversation cut off after so many turns: what a client sent then. */
export const earlier = (told: Conversation, turns: number): Conversation => ({
  ...told,
  turns: told.turns.slice(0, turns),
  question: told.turns[turns]?.question ?? told.question,
});
