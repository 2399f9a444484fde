import type { JsonDocument } from '../std/json/document.ts';
import type { Stage } from './envelope.ts';

const is = (document: JsonDocument, message: number, role: string): boolean => {
  const node = document.member(message, 'role');
  return node >= 0 && document.textEquals(node, role);
};

/**
 * Chunker: System (the leading system and developer messages, no later one) · Tool (definitions) · History · Query
 * (all after the last assistant message).
 */
export const chunker: Stage = {
  name: 'chunker',
  run(envelope) {
    const { document, messagesNode, toolsNode } = envelope;
    const blocks = {
      system: [] as number[],
      tools: [] as number[],
      history: [] as number[],
      query: [] as number[],
    };
    let leading = true;
    const end = document.next(messagesNode);
    for (let message = messagesNode + 1; message < end; message = document.next(message)) {
      leading = leading && (is(document, message, 'system') || is(document, message, 'developer'));
      if (leading) {
        blocks.system.push(message);
        continue;
      }
      blocks.query.push(message);
      if (is(document, message, 'assistant')) {
        for (const one of blocks.query) blocks.history.push(one);
        blocks.query.length = 0;
      }
    }
    if (toolsNode >= 0) {
      const toolsEnd = document.next(toolsNode);
      for (let tool = toolsNode + 1; tool < toolsEnd; tool = document.next(tool)) blocks.tools.push(tool);
    }
    envelope.blocks = blocks;
  },
};
