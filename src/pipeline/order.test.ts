import { expect, test } from 'bun:test';
import { stagesInOrder, type StageOptions } from './order.ts';
import { OPTIONS } from './testing/pipeline.ts';
import { Pipeline } from './pipeline.ts';

const names = (options: Partial<StageOptions>): string[] =>
  stagesInOrder({ ...OPTIONS, ...options }).map((stage) => stage.name);

test('the way of a request', () => {
  expect(names({})).toEqual([
    'inbound_adapter',
    'chunker',
    'arranger',
    'canonicalizer',
    'cache_injector',
    'hasher',
    'outbound_adapter',
  ]);
});

test('CACHE_INJECT_ENABLED and TOOL_SORT_ENABLED each take their stage out, and no other', () => {
  const all = names({});
  expect(names({ cacheInject: false })).toEqual(all.filter((name) => name !== 'cache_injector'));
  expect(names({ toolSort: false })).toEqual(all.filter((name) => name !== 'arranger'));
  expect(names({ cacheInject: false, toolSort: false })).toHaveLength(5);
});

test('the pipeline tells the names of its stages', () => {
  expect([...new Pipeline({ ...OPTIONS, toolSort: false }).stageNames].map(String)).toEqual(
    names({ toolSort: false }),
  );
});
