import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { jsonText } from '../../std/json/testing/arbitrary.ts';
import { CONTEXT, converted as convertedStream, dataOf, parsed, record } from '../testing/answers.ts';
import { chatAnswer } from './answer.ts';
import { converted, result, USER, withMessages } from './testing/request.ts';
import { ChatStream } from './stream.ts';

type Json = Record<string, unknown>;

const kept = fc.oneof(
  fc.record({ type: fc.constant('thinking'), thinking: jsonText, signature: fc.constantFrom('s', 't==') }),
  fc.record({ type: fc.constant('redacted_thinking'), data: fc.constantFrom('d', 'op/aque') }),
);
const blank = fc.record({
  type: fc.constant('text'),
  text: fc.constantFrom('', ' ', '\n\n', '\t\r\n', '\u00a0', '\ufeff'),
});
const said = fc.record({ type: fc.constant('text'), text: jsonText });
const call = fc.constant({ type: 'tool_use' } as const);

/** Blocks of an answer: text that says something stands before the calls. */
const answer: fc.Arbitrary<Json[]> = fc
  .tuple(
    fc.array(fc.oneof(kept, blank, said), { maxLength: 5 }),
    fc.array(fc.oneof(kept, blank, call), { maxLength: 5 }),
  )
  .map(([head, tail]) =>
    [...head, ...tail].map((block, index) =>
      block.type === 'tool_use' ? { type: 'tool_use', id: `call_${index}`, name: 'f', input: {} } : block,
    ),
  );

/** What is to come back: text as one, where the first stood that says something; none that says nothing. */
function expected(blocks: readonly Json[]): Json[] {
  const texts = blocks.filter((block) => block['type'] === 'text');
  const first = texts.find((block) => (block['text'] as string).trim() !== '');
  const whole = texts.map((block) => block['text']).join('');
  return blocks.flatMap((block) => {
    if (block['type'] !== 'text') return [block];
    return block === first ? [{ type: 'text', text: whole }] : [];
  });
}

/** The assistant's message, as the client keeps it of an answer that comes whole. */
function ofWhole(blocks: readonly Json[]): Json {
  const body = JSON.stringify({ id: 'msg_1', model: 'm', content: blocks, stop_reason: 'end_turn' });
  const completion = JSON.parse(Buffer.from(chatAnswer(Buffer.from(body), CONTEXT)).toString()) as Json;
  return record(record((completion['choices'] as Json[])[0])['message']);
}

/** The same of a stream, texts and thinking in two pieces. */
function ofStream(blocks: readonly Json[]): Json {
  const events: unknown[] = [{ type: 'message_start', message: { id: 'msg_1', model: 'm' } }];
  for (const [index, block] of blocks.entries()) {
    const { type } = block;
    const held = type === 'text' ? 'text' : 'thinking';
    const told = type === 'text' || type === 'thinking';
    const start = told ? { type, [held]: '', signature: '' } : block;
    events.push({ type: 'content_block_start', index, content_block: start });
    const whole = told ? (block[held] as string) : '';
    for (const piece of told ? [whole.slice(0, 2), whole.slice(2)] : [])
      events.push({ type: 'content_block_delta', index, delta: { type: `${held}_delta`, [held]: piece } });
    if (type === 'thinking') {
      const delta = { type: 'signature_delta', signature: block['signature'] };
      events.push({ type: 'content_block_delta', index, delta });
    }
    events.push({ type: 'content_block_stop', index });
  }
  events.push({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }, { type: 'message_stop' });
  const out = convertedStream(
    new ChatStream(CONTEXT),
    events.map((event) => JSON.stringify(event)),
  );
  const message: Json = { role: 'assistant', content: '', tool_calls: [] };
  for (const chunk of parsed(dataOf(out))) {
    const delta = record(record((chunk['choices'] as Json[])[0])['delta']);
    message['content'] += (delta['content'] as string | undefined) ?? '';
    if (delta['thinking_blocks'] !== undefined) message['thinking_blocks'] = delta['thinking_blocks'];
    for (const one of (delta['tool_calls'] ?? []) as Json[])
      if (one['id'] === undefined)
        record((message['tool_calls'] as Json[]).at(-1)?.['function'])['arguments'] = '{}';
      else (message['tool_calls'] as Json[]).push(one);
  }
  return message;
}

/** The assistant's blocks, as they go to the vendor again. */
function returned(message: Json): unknown {
  const results = ((message['tool_calls'] ?? []) as Json[]).map((one) => result(one['id'] as string));
  const { body } = converted(withMessages(USER, JSON.stringify(message), ...results, USER));
  return record((body['messages'] as unknown[])[1])['content'];
}

test.each([
  ['whole', ofWhole],
  ['streamed', ofStream],
] as const)('an answer, %s, comes back block by block in its order', (_, keep) => {
  const thought = { type: 'thinking', thinking: 'Hm.', signature: 's' };
  const redacted = { type: 'redacted_thinking', data: 'd' };
  const used = { type: 'tool_use', name: 'f', input: {}, id: 'call_3' };
  fc.assert(
    fc.property(answer, (blocks) => {
      fc.pre(expected(blocks).length > 0);
      expect(returned(keep(blocks))).toEqual(expected(blocks));
    }),
    { numRuns: 200, examples: [[[thought, { type: 'text', text: '\n\n' }, redacted, used]]] },
  );
});
