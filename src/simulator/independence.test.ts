import { expect, test } from 'bun:test';
import { dirname, join, relative } from 'node:path';

const FOLDER = import.meta.dir;
/** Of libraries, tests may use these. */
const TEST_LIBRARIES = new Set([
  '@anthropic-ai/sdk',
  '@anthropic-ai/sdk/resources/messages',
  'bun:test',
  'fast-check',
  'openai',
  'openai/resources/chat/completions',
]);
/** And what others have recorded: it is nobody's code. */
const CASES = join(FOLDER, '../../test/support/cases.ts');
const IMPORT = /\bfrom '([^']+)'|\bimport\('([^']+)'\)|^import '([^']+)'/gm;

test('the simulator shares no code with the gateway', async () => {
  const strangers: string[] = [];
  for await (const file of new Bun.Glob('**/*.ts').scan(FOLDER)) {
    const text = await Bun.file(join(FOLDER, file)).text();
    for (const [, from, dynamic, bare] of text.matchAll(IMPORT)) {
      const target = from ?? dynamic ?? bare ?? '';
      const path = target.startsWith('.') ? join(FOLDER, dirname(file), target) : null;
      const inside = path !== null && !relative(FOLDER, path).startsWith('..');
      const forTests = file.endsWith('.test.ts') && (TEST_LIBRARIES.has(target) || path === CASES);
      if (!inside && !forTests && !target.startsWith('node:')) strangers.push(`${file}: ${target}`);
    }
  }
  expect(strangers).toEqual([]);
});
