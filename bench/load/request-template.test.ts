import { expect, test } from 'bun:test';
import { chatBody } from '../prompts/chat.ts';
import { MAX_SEED, NUMBERS_PER_SEED, RequestTemplate } from './request-template.ts';

const plan = { model: 'gpt-4o-mini', bytes: 1700, stream: false, directives: '[[sim:delay=5]]' } as const;
const decoder = new TextDecoder();

function split(bytes: Uint8Array): { head: string; body: string } {
  const [head = '', body = ''] = decoder.decode(bytes).split('\r\n\r\n');
  return { head, body };
}

test.each(['query', 'system'] as const)(
  'a body that differs in its %s has the size it should have',
  (differsIn) => {
    const body = chatBody({ ...plan, differsIn });
    expect(body.length).toBe(1700);
    const parsed = JSON.parse(body) as { messages: { content: string }[] };
    const [system, user] = parsed.messages;
    expect(system?.content.includes('################')).toBe(differsIn === 'system');
    expect(user?.content.includes('################')).toBe(differsIn === 'query');
    expect(user?.content.endsWith('[[sim:delay=5]]')).toBe(true);
  },
);

test('a size too small for the fixed parts is refused', () => {
  expect(() => chatBody({ ...plan, bytes: 100, differsIn: 'query' })).toThrow('at least');
});

test('numbers and keys are written in place', () => {
  const template = new RequestTemplate({
    host: '127.0.0.1:1',
    path: '/v1/chat/completions',
    headers: [['x-more', '1']],
    body: chatBody({ ...plan, differsIn: 'query' }),
    keyBytes: 8,
  });
  const keys = Buffer.from('sk-first\nsk-other\n');
  template.setNumber(1234);
  template.setKey(keys, 9, 8);
  const one = split(template.bytes);
  expect(one.head).toContain('\r\nauthorization: Bearer sk-other\r\n');
  expect(one.head).toContain('\r\nx-more: 1\r\n');
  expect(one.head).toContain(`\r\ncontent-length: ${one.body.length}`);
  expect(one.body).toContain('0000000000001234');
  template.setNumber(MAX_SEED * NUMBERS_PER_SEED);
  const other = split(template.bytes);
  expect(other.body).toContain('9007180000000000');
  expect(other.body.length).toBe(one.body.length);
  expect(JSON.parse(other.body)).toBeObject();
});
