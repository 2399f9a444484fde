import { COMMA } from '../../std/json/bytes.ts';
import { Kind } from '../../std/json/document.ts';
import type { ClaudeModel } from '../../models/claude.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid, missing, unsupported } from '../conversion/faults.ts';
import { Members } from '../conversion/members.ts';
import type { CarriedMarks } from './request-marks.ts';

const TOOL = new Members(['type', 'function', 'cache_control']);
const TYPE = TOOL.index('type');
const FUNCTION = TOOL.index('function');
const TOOL_MARK = TOOL.index('cache_control');

const FUNCTION_MEMBERS = new Members(['name', 'description', 'parameters', 'strict', 'cache_control']);
const NAME = FUNCTION_MEMBERS.index('name');
const DESCRIPTION = FUNCTION_MEMBERS.index('description');
const PARAMETERS = FUNCTION_MEMBERS.index('parameters');
const STRICT = FUNCTION_MEMBERS.index('strict');
const FUNCTION_MARK = FUNCTION_MEMBERS.index('cache_control');

/** What a function without parameters takes. */
const NO_PARAMETERS = '{"type":"object","properties":{}}';

/** Writes `,"tools":[…]` and answers whether there is one. */
export function writeTools(draft: Draft, tools: number, marks: CarriedMarks): boolean {
  const { document, writer } = draft;
  if (tools < 0 || document.next(tools) === tools + 1) return false;
  writer.ascii(',"tools":[');
  let index = 0;
  const end = document.next(tools);
  for (let tool = tools + 1; tool < end; tool = document.next(tool)) {
    if (index > 0) writer.byte(COMMA);
    writeTool(draft, tool, marks, `tools[${index++}]`);
  }
  writer.ascii(']');
  return true;
}

function writeTool(draft: Draft, tool: number, marks: CarriedMarks, path: string): void {
  const { document, writer } = draft;
  TOOL.read(document, tool);
  const type = TOOL.at(TYPE);
  if (type >= 0 && draft.is(type, 'custom'))
    throw unsupported(`${path}.type`, 'Anthropic has no tools that take text by a grammar.');
  if (type >= 0 && !draft.is(type, 'function'))
    throw unsupported(
      `${path}.type`,
      'only functions can be sent to Anthropic in a Chat Completions request.',
    );
  if (TOOL.others.length > 0) draft.loseOthers(TOOL, 'tools[].');
  const called = TOOL.at(FUNCTION);
  if (called < 0) throw missing(`${path}.function`);
  draft.expectObject(called, () => `${path}.function`);
  FUNCTION_MEMBERS.read(document, called);
  if (FUNCTION_MEMBERS.others.length > 0) draft.loseOthers(FUNCTION_MEMBERS, 'tools[].function.');
  const name = FUNCTION_MEMBERS.at(NAME);
  if (name < 0) throw missing(`${path}.function.name`);
  draft.expectString(name, () => `${path}.function.name`);
  writer.ascii('{"name":');
  draft.copy(name);
  const description = FUNCTION_MEMBERS.at(DESCRIPTION);
  if (description >= 0) {
    draft.expectString(description, () => `${path}.function.description`);
    draft.member('description', description);
  }
  let mark = TOOL.at(TOOL_MARK) >= 0 ? TOOL.at(TOOL_MARK) : FUNCTION_MEMBERS.at(FUNCTION_MARK);
  const nested = writeSchema(draft, FUNCTION_MEMBERS.at(PARAMETERS), path);
  if (mark < 0) mark = nested;
  const strict = FUNCTION_MEMBERS.at(STRICT);
  if (strict >= 0) {
    draft.expectBoolean(strict, () => `${path}.function.strict`);
    draft.member('strict', strict);
  }
  if (mark >= 0) {
    draft.expectObject(mark, () => `${path}.cache_control`);
    draft.member('cache_control', mark);
    marks.addOwn();
  }
  writer.ascii('}');
}

/**
 * Writes `,"input_schema":…`. A mark within the schema, where some frameworks put it, belongs on the tool: it is left out
 * and answered; -1 for none.
 */
function writeSchema(draft: Draft, parameters: number, path: string): number {
  const { document, writer } = draft;
  writer.ascii(',"input_schema":');
  if (parameters >= 0) draft.expectObject(parameters, () => `${path}.function.parameters`);
  const mark = parameters < 0 ? -1 : document.member(parameters, 'cache_control');
  const empty =
    parameters < 0 || document.next(parameters) === (mark < 0 ? parameters + 1 : document.next(mark));
  const start = writer.length;
  const untyped = parameters >= 0 && document.member(parameters, 'type') < 0;
  if (empty && (mark < 0 || mark === parameters + 2)) writer.ascii(NO_PARAMETERS);
  else if (mark < 0) draft.copy(parameters);
  else draft.copyWithout(parameters, mark);
  // Anthropic demands it; what a tool takes is an object anyway.
  if (untyped && !(empty && (mark < 0 || mark === parameters + 2))) {
    const rest = writer.text(start + 1);
    writer.truncate(start);
    writer.ascii('{"type":"object",');
    writer.raw(Buffer.from(rest));
  }
  return mark;
}

/**
 * Writes `,"tool_choice":…` from `tool_choice` and `parallel_tool_calls` (-1 for absent) and answers whether it forces a
 * call. Nothing is written where there are no tools, or where both say what is so anyway.
 */
export function writeToolChoice(
  draft: Draft,
  choice: number,
  parallel: number,
  hasTools: boolean,
  model: ClaudeModel,
): boolean {
  const { document, writer } = draft;
  const serial = parallel >= 0 && document.kind(parallel) === Kind.False;
  const kind = choice < 0 ? null : choiceKind(draft, choice);
  const forced = kind === 'any' || kind === 'tool';
  if (forced && !model.forcedToolChoice) {
    throw unsupported(
      'tool_choice',
      'this model cannot be made to call a tool. Leave it out or send "auto", and ask for the call in the prompt.',
    );
  }
  if (!hasTools) {
    if (forced) throw invalid('tool_choice', 'it asks for a call, but there are no tools.');
    return false;
  }
  if (kind === null && !serial) return false;
  writer.ascii(`,"tool_choice":{"type":"${kind ?? 'auto'}"`);
  if (kind === 'tool') draft.member('name', nameOf(draft, choice));
  // Without a call there is nothing to be done in parallel.
  if (serial && kind !== 'none') writer.ascii(',"disable_parallel_tool_use":true');
  writer.ascii('}');
  return forced;
}

function choiceKind(draft: Draft, choice: number): 'auto' | 'none' | 'any' | 'tool' {
  if (draft.document.kind(choice) === Kind.String) {
    if (draft.is(choice, 'auto')) return 'auto';
    if (draft.is(choice, 'none')) return 'none';
    if (draft.is(choice, 'required')) return 'any';
    throw invalid('tool_choice', 'expected auto, none, required, or an object that names a function.');
  }
  draft.expectObject(choice, () => 'tool_choice');
  const type = draft.document.member(choice, 'type');
  if (type < 0) throw missing('tool_choice.type');
  if (draft.is(type, 'function')) return 'tool';
  if (draft.is(type, 'allowed_tools')) {
    throw unsupported(
      'tool_choice.type',
      'Anthropic cannot be told to use some of the tools only. Send those alone, or let the model choose.',
    );
  }
  throw unsupported('tool_choice.type', 'Anthropic can be told to call a function, by name.');
}

function nameOf(draft: Draft, choice: number): number {
  const { document } = draft;
  const called = document.member(choice, 'function');
  if (called < 0) throw missing('tool_choice.function');
  draft.expectObject(called, () => 'tool_choice.function');
  const name = document.member(called, 'name');
  if (name < 0) throw missing('tool_choice.function.name');
  draft.expectString(name, () => 'tool_choice.function.name');
  return name;
}
