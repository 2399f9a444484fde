import { expect, test } from 'bun:test';
import { BlockKind } from '../dialects/block-list.ts';
import type { IntList } from '../std/json/int-list.ts';
import { PromptLayout } from './prompt-layout.ts';

const list = (of: IntList): number[] => Array.from({ length: of.length }, (_, at) => of.at(at));
const { Media, Other, ToolCall, ToolResult } = BlockKind;

function layoutOf(kinds: readonly number[], folds: boolean): PromptLayout {
  const layout = new PromptLayout();
  layout.open(folds, 0, 0);
  for (const kind of kinds) layout.add(kind, 0, true, 0);
  return layout;
}

test('rows of calls and rows of results fold, other rows and mixed ones do not', () => {
  const kinds = [Other, Other, ToolCall, ToolCall, ToolResult, ToolResult, ToolCall, Media, Media];
  expect(list(layoutOf(kinds, true).positions)).toEqual([0, 1, 2, 2, 3, 3, 4, 5, 6]);
  expect(list(layoutOf(kinds, false).positions)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test('tokens are told from above: a token in two bytes, and more than any minimum for media by their address', () => {
  const layout = new PromptLayout();
  layout.open(true, 0, 0);
  layout.add(Other, 7, true, 0);
  layout.add(Media, 11, true, 0);
  layout.add(Other, 100, true, 0);
  expect([0, 1, 2].map((block) => layout.tokensAtMost(block))).toEqual([4, 8198, 8242]);
});

test('ends and runs: messages of the user’s side, split by answers', () => {
  const layout = new PromptLayout();
  layout.open(true, 0, 0);
  for (const speaker of ['user', 'user', 'system', 'user', 'assistant', 'assistant', 'user'] as const) {
    layout.add(Other, 0, true, 0);
    layout.add(Other, 0, false, 0);
    layout.endMessage(speaker);
  }
  expect(list(layout.ends)).toEqual([0, 2, 6, 12]);
  expect(list(layout.runs)).toEqual([0, 0, 0, 1]);
});

test('a layout is refilled', () => {
  const layout = layoutOf([ToolCall, ToolCall], true);
  layout.endMessage('user');
  layout.open(true, 3, 1);
  expect([layout.length, layout.ends.length, layout.clientMarks]).toEqual([0, 0, 4]);
  layout.add(ToolCall, 1, true, 0);
  expect(list(layout.positions)).toEqual([0]);
});
