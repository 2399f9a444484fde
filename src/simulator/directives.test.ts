import { expect, test } from 'bun:test';
import { NO_DIRECTIVES, readDirectives } from './directives.ts';

const read = (
  text: string,
  headers: Record<string, string> | null = null,
): ReturnType<typeof readDirectives> =>
  readDirectives(Buffer.from(text), headers === null ? null : new Map(Object.entries(headers)));

test('a body without any costs nothing', () => {
  expect(read('{"messages":[]}')).toBe(NO_DIRECTIVES);
});

test('the last one of a name counts', () => {
  const found = read('… [[sim:delay=5]] … [[sim:chunks=3]][[sim:delay=70]] …');
  expect(found).toEqual({ ...NO_DIRECTIVES, delay: 70, chunks: 3 });
});

test('a header wins', () => {
  expect(read('[[sim:delay=5]]', { 'x-sim-delay': '9', 'x-sim-size': '10', accept: 'x' })).toEqual({
    ...NO_DIRECTIVES,
    delay: 9,
    size: 10,
  });
});

test('break 0 is told from no break', () => {
  expect(read('').break).toBe(-1);
  expect(read('[[sim:break=0]]').break).toBe(0);
});

test('unknown, malformed and immoderate ones do no harm', () => {
  const found = read(
    '[[sim:toString=1]][[sim:delay=x]][[sim:status=-1]][[sim:[[sim:n=9999999999]][[sim:n=9',
    {
      'x-sim-constructor': '1',
      'x-sim-delay': '1e3',
    },
  );
  expect(found).toEqual(NO_DIRECTIVES);
  expect(read('[[sim:n=9]][[sim:chunks=9999999999]]').chunks).toBe(1_000_000);
});
