import { describe, expect, test } from 'bun:test';
import { JsonDocument } from '../../std/json/document.ts';
import type { IntList } from '../../std/json/int-list.ts';
import { BlockKind } from '../block-list.ts';
import { Ttl } from '../cache-mark.ts';
import { ChatRequest } from './request.ts';

const document = new JsonDocument();
function located(body: Record<string, unknown>): ChatRequest {
  document.parse(Buffer.from(JSON.stringify({ model: 'm', ...body })));
  const request = new ChatRequest();
  request.read(document);
  expect(request.blocks.length).toBe(0);
  request.locateBlocks(document);
  return request;
}
const list = (of: IntList): number[] => Array.from({ length: of.length }, (_, at) => of.at(at));
const MARK = { cache_control: { type: 'ephemeral' } };

describe('blocks of a Chat Completions request', () => {
  test('strings, parts and calls, in the order in which they are handed on', () => {
    const call = { id: '1', type: 'function', function: { name: 'f', arguments: '{}' } };
    const { blocks } = located({
      messages: [
        { role: 'system', content: 's' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'image_url', image_url: {} },
          ],
        },
        { role: 'assistant', tool_calls: [call, call], content: 'b' },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: '1', content: 'c' },
        { role: 'tool', tool_call_id: '1', content: '' },
      ],
    });
    const { Media, Other, ToolCall, ToolResult } = BlockKind;
    expect(list(blocks.messages)).toEqual([0, 1, 1, 2, 2, 2, 3, 4, 5]);
    expect(list(blocks.kinds)).toEqual([
      Other,
      Other,
      Media,
      Other,
      ToolCall,
      ToolCall,
      ToolCall,
      ToolResult,
      ToolResult,
    ]);
    const markable = list(blocks.kinds).map((_, at) => blocks.markable(at));
    expect(markable).toEqual([true, true, false, true, false, false, false, true, false]);
  });

  test('the client’s marks count, on parts, on tools, at the top, and where they do not belong', () => {
    const { automaticTtl, blocks, tools } = located({
      cache_control: { type: 'ephemeral', ttl: '1h' },
      tools: [{ type: 'function', function: { name: 'a' }, ...MARK }, { type: 'function' }],
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'a', ...MARK }] },
        { role: 'user', content: 'x', ...MARK },
        { role: 'user', content: [{ type: 'text', text: 'y', cache_control: null }] },
      ],
    });
    expect(automaticTtl).toBe(Ttl.OneHour);
    expect(list(blocks.markBlocks)).toEqual([0, 1]);
    expect(list(blocks.ttls)).toEqual([Ttl.FiveMinutes, Ttl.FiveMinutes, 0]);
    expect([0, 1, 2].map((at) => blocks.markable(at))).toEqual([false, true, false]);
    expect(list(tools.marks).map((node) => node >= 0)).toEqual([true, false]);
  });
});
