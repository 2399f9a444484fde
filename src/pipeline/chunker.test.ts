import { expect, test } from 'bun:test';
import { MESSAGES, runTo } from './testing/pipeline.ts';

/** Numbers of messages in System, History and Query, by roles. */
function sizes(...roles: readonly string[]): readonly [number, number, number] {
  const messages = roles.map((role) => ({ role, content: 'x' }));
  const { blocks } = runTo('chunker', JSON.stringify({ model: 'm', messages }));
  return [blocks.systemEnd, blocks.historyEnd - blocks.systemEnd, roles.length - blocks.historyEnd];
}

test('system and developer messages lead, the query follows the last assistant message', () => {
  expect(sizes('user')).toEqual([0, 0, 1]);
  expect(sizes('system', 'user')).toEqual([1, 0, 1]);
  expect(sizes('developer', 'system', 'user', 'assistant', 'user')).toEqual([2, 2, 1]);
  expect(sizes('user', 'assistant', 'tool', 'tool')).toEqual([0, 2, 2]);
  expect(sizes('system', 'user', 'assistant')).toEqual([1, 2, 0]);
});

test('a later system message stays where it is', () => {
  expect(sizes('system', 'user', 'system', 'assistant', 'system')).toEqual([1, 3, 1]);
});

test('nothing but system messages is all System', () => {
  expect(sizes('system', 'system')).toEqual([2, 0, 0]);
});

test('a role in another spelling is the same role', () => {
  const { blocks } = runTo(
    'chunker',
    String.raw`{"model":"m","messages":[{"role":"\u0073ystem","content":"x"}]}`,
  );
  expect(blocks.systemEnd).toBe(1);
});

test('tools are listed in the order of the client; without any the list is empty', () => {
  const { blocks, document, request } = runTo(
    'chunker',
    '{"model":"m","tools":[{"name":"b"},{"name":"a"}],"messages":[{"role":"user"}]}',
  );
  expect([0, 1].map((index) => document.source(request.tools.nodes.at(blocks.tools.at(index))))).toEqual([
    '{"name":"b"}',
    '{"name":"a"}',
  ]);
  expect(blocks.tools.length).toBe(2);
  for (const tools of ['', '"tools":null,', '"tools":[],'])
    expect(runTo('chunker', `{"model":"m",${tools}"messages":[{"role":"user"}]}`).blocks.tools.length).toBe(
      0,
    );
});

test('where the system prompt is a field of its own no message is System', () => {
  const messages = ['system', 'user', 'assistant', 'system', 'user'].map((role) => ({ role, content: 'x' }));
  const body = JSON.stringify({ model: 'm', max_tokens: 9, system: 's', messages });
  const { blocks } = runTo('chunker', body, ...MESSAGES);
  expect([blocks.systemEnd, blocks.historyEnd]).toEqual([0, 3]);
});
