import { expect, test } from 'bun:test';
import { HeaderFields } from '../../http1/fields.ts';
import { anthropicHeaders } from './headers.ts';

test.each([
  [['a,,b'], 'a,b'],
  [['a,b,'], 'a,b'],
  [[' ,a', '', 'b ,\t'], 'a,b'],
  [['a,b c,d;e,f'], 'a,f'],
  [[',', ' '], null],
])('betas: %j goes out as %p', (values, sent) => {
  const fields = HeaderFields.of(values.map((value) => ['anthropic-beta', value] as const));
  const line = sent === null ? '' : `anthropic-beta: ${sent}\r\n`;
  expect(anthropicHeaders.forwardedOf(fields)).toBe(anthropicHeaders.defaults + line);
});
