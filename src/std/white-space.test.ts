import { expect, test } from 'bun:test';
import { isWhiteSpace } from './white-space.ts';

test('white space is what trim strips, of all code points', () => {
  const differing: number[] = [];
  for (let code = 0; code <= 0x10ffff; code++)
    if (isWhiteSpace(code) !== (String.fromCodePoint(code).trim() === '')) differing.push(code);
  expect(differing).toEqual([]);
});
