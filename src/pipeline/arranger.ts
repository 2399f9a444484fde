import { Kind, type JsonDocument } from '../std/json/document.ts';
import type { Stage } from './envelope.ts';

/** A tool's name (`function.name`, `custom.name` or `name`), null when it has none. */
function toolName(document: JsonDocument, tool: number): string | null {
  for (const wrapper of ['function', 'custom']) {
    const inner = document.member(tool, wrapper);
    if (inner < 0 || document.kind(inner) !== Kind.Object) continue;
    const name = document.member(inner, 'name');
    if (name >= 0 && document.kind(name) === Kind.String) return document.text(name);
  }
  const name = document.member(tool, 'name');
  return name >= 0 && document.kind(name) === Kind.String ? document.text(name) : null;
}

/** Arranger: tools by name, so that the same set is the same prompt. Nameless ones follow in their order. */
export const arranger: Stage = {
  name: 'arranger',
  run(envelope) {
    const { blocks, document } = envelope;
    if (blocks.tools.length < 2) return;
    const named = blocks.tools.map((tool) => ({ tool, name: toolName(document, tool) }));
    // `sort` is stable: equal names keep the client's order.
    named.sort((one, other) => {
      if (one.name === null || other.name === null)
        return Number(one.name === null) - Number(other.name === null);
      return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
    });
    blocks.tools = named.map(({ tool }) => tool);
  },
};
