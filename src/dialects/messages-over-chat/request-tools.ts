import { COMMA } from '../../std/json/bytes.ts';
import { Kind, type JsonDocument } from '../../std/json/document.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid, missing, unsupported } from '../conversion/faults.ts';
import { Members } from '../conversion/members.ts';

const TOOL = new Members(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control']);
const TYPE = TOOL.index('type');
const NAME = TOOL.index('name');
const DESCRIPTION = TOOL.index('description');
const INPUT_SCHEMA = TOOL.index('input_schema');
const STRICT = TOOL.index('strict');
const CACHE_CONTROL = TOOL.index('cache_control');

const CHOICE = new Members(['type', 'name', 'disable_parallel_tool_use']);

/** Writes `,"tools":[…]` and answers whether there is one. */
export function writeChatTools(draft: Draft, tools: number, keepMarks: boolean): boolean {
  const { document, writer } = draft;
  if (tools < 0 || document.next(tools) === tools + 1) return false;
  writer.ascii(',"tools":[');
  let index = 0;
  const end = document.next(tools);
  for (let tool = tools + 1; tool < end; tool = document.next(tool)) {
    if (index > 0) writer.byte(COMMA);
    writeTool(draft, tool, `tools.${index++}`, keepMarks);
  }
  writer.ascii(']');
  return true;
}

function writeTool(draft: Draft, tool: number, path: string, keepMarks: boolean): void {
  const { document, writer } = draft;
  TOOL.read(document, tool);
  const type = TOOL.at(TYPE);
  if (type >= 0 && !draft.is(type, 'custom'))
    throw unsupported(
      `${path}.type`,
      "tools of Anthropic's own are unknown to this vendor. Send tools with a schema.",
    );
  if (TOOL.others.length > 0) draft.loseOthers(TOOL, 'tools[].');
  const name = TOOL.at(NAME);
  if (name < 0) throw missing(`${path}.name`);
  draft.expectString(name, () => `${path}.name`);
  const schema = TOOL.at(INPUT_SCHEMA);
  if (schema < 0) throw missing(`${path}.input_schema`);
  draft.expectObject(schema, () => `${path}.input_schema`);
  writer.ascii('{"type":"function","function":{"name":');
  draft.copy(name);
  const description = TOOL.at(DESCRIPTION);
  if (description >= 0) {
    draft.expectString(description, () => `${path}.description`);
    draft.member('description', description);
  }
  // Where some frameworks put the mark it would be part of the prompt.
  const nested = document.member(schema, 'cache_control');
  writer.ascii(',"parameters":');
  if (nested < 0) draft.copy(schema);
  else draft.copyWithout(schema, nested);
  // OpenAI refuses objects without them (spring-projects/spring-ai#4776); to others it says nothing new.
  if (isBareObject(document, schema)) {
    writer.truncate(writer.length - 1);
    writer.ascii(',"properties":{}}');
  }
  const strict = TOOL.at(STRICT);
  if (strict >= 0) {
    draft.expectBoolean(strict, () => `${path}.strict`);
    draft.member('strict', strict);
  }
  writer.ascii('}');
  const mark = TOOL.at(CACHE_CONTROL) >= 0 ? TOOL.at(CACHE_CONTROL) : nested;
  if (mark >= 0 && keepMarks) draft.member('cache_control', mark);
  writer.ascii('}');
}

/** A schema that says object and nothing of its members. */
function isBareObject(document: JsonDocument, schema: number): boolean {
  const type = document.member(schema, 'type');
  return (
    type >= 0 &&
    document.kind(type) === Kind.String &&
    document.textEquals(type, 'object') &&
    document.member(schema, 'properties') < 0
  );
}

/** Writes `tool_choice` and `parallel_tool_calls`, where there are tools. */
export function writeChatToolChoice(draft: Draft, choice: number, hasTools: boolean): void {
  const { document, writer } = draft;
  if (choice < 0) return;
  CHOICE.read(document, choice);
  if (CHOICE.others.length > 0) draft.loseOthers(CHOICE, 'tool_choice.');
  const type = CHOICE.named('type');
  if (type < 0) throw missing('tool_choice.type');
  const forced = draft.is(type, 'any') || draft.is(type, 'tool');
  if (!forced && !draft.is(type, 'auto') && !draft.is(type, 'none'))
    throw invalid('tool_choice.type', 'expected auto, any, tool or none.');
  if (!hasTools) {
    if (forced) throw invalid('tool_choice', 'it asks for a call, but there are no tools.');
    return;
  }
  if (draft.is(type, 'auto')) writer.ascii(',"tool_choice":"auto"');
  else if (draft.is(type, 'none')) writer.ascii(',"tool_choice":"none"');
  else if (draft.is(type, 'any')) writer.ascii(',"tool_choice":"required"');
  else {
    const name = CHOICE.named('name');
    if (name < 0) throw missing('tool_choice.name');
    draft.expectString(name, () => 'tool_choice.name');
    writer.ascii(',"tool_choice":{"type":"function","function":{"name":');
    draft.copy(name);
    writer.ascii('}}');
  }
  const serial = CHOICE.named('disable_parallel_tool_use');
  if (serial >= 0 && document.kind(serial) === Kind.True) writer.ascii(',"parallel_tool_calls":false');
}
