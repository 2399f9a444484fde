import { Kind, type JsonDocument } from '../../std/json/document.ts';

/** Typed tools that are left to the client to run, dated or not (Anthropic docs, "Tool use": client tools). */
const RUN_BY_CLIENT = ['bash_', 'browser_toolset_', 'computer_', 'memory_', 'text_editor_'] as const;

/** Whether a tool of this `type` acts on the vendor's side. Without one, and as `custom`, it is the client's own. */
export function isServerTool(document: JsonDocument, type: number): boolean {
  if (document.kind(type) !== Kind.String || document.textEquals(type, 'custom')) return false;
  const name = document.text(type);
  return !RUN_BY_CLIENT.some((prefix) => name.startsWith(prefix));
}
