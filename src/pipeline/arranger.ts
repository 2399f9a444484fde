import { Kind, type JsonDocument } from '../std/json/document.ts';
import { IntList } from '../std/json/int-list.ts';
import { orderByText } from '../std/json/keys.ts';
import type { Stage } from './envelope.ts';

const WRAPPERS = ['function', 'custom'] as const;

/** The node of a tool's name (`function.name`, `custom.name` or `name`), -1 when it has none. */
function toolName(document: JsonDocument, tool: number): number {
  for (const wrapper of WRAPPERS) {
    const inner = document.member(tool, wrapper);
    if (inner < 0 || document.kind(inner) !== Kind.Object) continue;
    const name = document.member(inner, 'name');
    if (name >= 0 && document.kind(name) === Kind.String) return name;
  }
  const name = document.member(tool, 'name');
  return name >= 0 && document.kind(name) === Kind.String ? name : -1;
}

/** Arranger: tools by name, so that the same set is the same prompt. Nameless ones follow in their order. */
export function arranger(): Stage {
  const given = new IntList();
  const names = new IntList();
  const order = new IntList();
  return {
    name: 'arranger',
    run({ blocks, document, input }) {
      const { tools } = blocks;
      if (tools.length < 2 || input.passthrough) return;
      names.clear();
      given.clear();
      for (let index = 0; index < tools.length; index++) {
        given.push(tools.at(index));
        names.push(toolName(document, tools.at(index)));
      }
      orderByText(document, names, order);
      for (let index = 0; index < order.length; index++) tools.set(index, given.at(order.at(index)));
    },
  };
}
