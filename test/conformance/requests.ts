import { list, record, type Json, type Recorded } from './recorded.ts';

/** A question about tools, as either dialect asks it. */
interface Question {
  readonly model: unknown;
  readonly text: string;
  readonly tools: readonly { readonly name: unknown; readonly schema: unknown }[];
  readonly stream: boolean;
}

/** What is common to both dialects of a recorded request: its model, its last words, its own tools. */
export function questionOf(one: Recorded): Question {
  const request = JSON.parse(one.request) as Json;
  const content = list(request['messages']).findLast((message) => message['role'] === 'user')?.['content'];
  const said =
    typeof content === 'string' ? content : list(content).findLast((part) => 'text' in part)?.['text'];
  const tools = list(request['tools']).flatMap((tool) => {
    const inner = one.vendor === 'anthropic' ? tool : record(tool['function']);
    const schema = inner['input_schema'] ?? inner['parameters'];
    return schema === undefined ? [] : [{ name: inner['name'], schema }];
  });
  return {
    model: request['model'],
    text: typeof said === 'string' && said !== '' ? said : 'Hello',
    tools: tools.toSorted((a, b) => (String(a.name) < String(b.name) ? -1 : 1)),
    stream: one.streamed,
  };
}

/** The question of a recording, as a client of the other dialect puts it. */
export function askedOtherwise(one: Recorded, usageAsked: boolean): Json {
  const { model, stream, text, tools } = questionOf(one);
  const common = { model, stream, messages: [{ role: 'user', content: text }] };
  if (one.vendor !== 'anthropic')
    return {
      ...common,
      max_tokens: 500,
      ...(tools.length > 0
        ? { tools: tools.map(({ name, schema }) => ({ name, input_schema: schema })) }
        : {}),
    };
  const asked = tools.map(({ name, schema }) => ({
    type: 'function',
    function: { name, parameters: schema },
  }));
  return {
    ...common,
    max_completion_tokens: 500,
    ...(asked.length > 0 ? { tools: asked } : {}),
    ...(usageAsked ? { stream_options: { include_usage: true } } : {}),
  };
}
