import { expect, test } from 'bun:test';
import { HeaderFields } from './fields.ts';

test('fields are found by lower-case name, whatever their own case', () => {
  const headers = HeaderFields.of([
    ['Content-Type', 'text/event-stream'],
    ['set-cookie', 'a=1'],
    ['Set-Cookie', 'b=2'],
    ['x-empty', ''],
    ['x_under[score', 'odd'],
  ]);
  expect(headers.get('content-type')).toBe('text/event-stream');
  expect(headers.get('set-cookie')).toBe('a=1');
  expect(headers.all('set-cookie')).toEqual(['a=1', 'b=2']);
  expect(headers.get('x-empty')).toBe('');
  expect(headers.get('content-typ')).toBeNull();
  expect(headers.get('content-type2')).toBeNull();
  // Only letters have a case: `_` is not the upper case of DEL, `[` not that of `{`.
  expect(headers.get('x_under{score')).toBeNull();
  expect(headers.all('nothing')).toEqual([]);
});
