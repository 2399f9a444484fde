import { IntList } from '../std/json/int-list.ts';
import { orderByText } from '../std/json/text-order.ts';
import type { Stage } from './envelope.ts';

/**
 * Arranger: tools by name, so that the same set is the same prompt. Nameless ones, and at Anthropic those that run on the
 * vendor's side, follow in their order. Depends on nothing but the list itself.
 */
export function arranger(): Stage {
  const names = new IntList();
  return {
    name: 'arranger',
    run({ blocks, document, input, request }) {
      const { tools } = request;
      if (tools.length < 2 || input.passthrough) return;
      names.clear();
      for (let index = 0; index < tools.length; index++)
        names.push(request.toolName(document, tools.nodes.at(index)));
      orderByText(document, names, blocks.tools);
    },
  };
}
