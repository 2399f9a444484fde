import type { Answer, PiecedText, ToolCall } from './answers.ts';

/** One event of a streamed answer, before a dialect writes it. `content` ones are paced and counted. */
export type Step = { readonly choice: number } & (
  | { readonly kind: 'start'; readonly answer: Answer }
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'call'; readonly index: number; readonly call: ToolCall }
  | { readonly kind: 'arguments'; readonly index: number; readonly text: string }
  | { readonly kind: 'finish'; readonly answer: Answer }
);

/** Steps that carry content: chunks, as the directives count them. */
export const isContent = (step: Step): step is Step & { readonly text: string } => 'text' in step;

function* pieces(pieced: PiecedText): Generator<string> {
  let start = 0;
  for (const end of pieced.ends) {
    yield pieced.text.slice(start, end);
    start = end;
  }
}

function* stepsOf(answer: Answer, choice: number): Generator<Step> {
  yield { choice, kind: 'start', answer };
  if (answer.reasoning !== null) {
    for (const text of pieces(answer.reasoning)) yield { choice, kind: 'reasoning', text };
  }
  if (answer.content !== null)
    for (const text of pieces(answer.content)) yield { choice, kind: 'text', text };
  for (const [index, call] of answer.toolCalls.entries()) {
    yield { choice, kind: 'call', index, call };
    for (const text of pieces(call.arguments)) yield { choice, kind: 'arguments', index, text };
  }
  yield { choice, kind: 'finish', answer };
}

/** All answers of a request at once, taking turns; made one by one, as the client takes them. */
export function* interleaved(answers: readonly Answer[]): Generator<Step> {
  let running = answers.map((answer, choice) => stepsOf(answer, choice));
  while (running.length > 0) {
    const ended = new Set<Generator<Step>>();
    for (const steps of running) {
      const { value, done } = steps.next();
      if (done === true) ended.add(steps);
      else yield value;
    }
    if (ended.size > 0) running = running.filter((steps) => !ended.has(steps));
  }
}
