import type { Draft } from '../conversion/draft.ts';
import { invalid, missing, unsupported } from '../conversion/faults.ts';
import { Members } from '../conversion/members.ts';
import { writeHeldObject } from '../conversion/splice.ts';
import { OpenCalls, repeatedId, toolId } from '../conversion/tool-ids.ts';
import { NO_MARK, type BlockWriter } from './request-blocks.ts';

const CALL = new Members(['id', 'type', 'function', 'index']);
const ID = CALL.index('id');
const TYPE = CALL.index('type');
const FUNCTION = CALL.index('function');

const CALLED = new Members(['name', 'arguments']);
const NAME = CALLED.index('name');
const ARGUMENTS = CALLED.index('arguments');

/** Writes tool calls, and knows which of them still want a result. */
export class ToolCalls {
  readonly #draft: Draft;
  readonly open = new OpenCalls();
  /** How many calls there were of each id. */
  readonly #times = new Map<string, number>();

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  /** The id that a call or result gets. Throws GatewayError where it has none. */
  idOf(node: number, path: () => string): string {
    if (node < 0) throw missing(path());
    this.#draft.expectString(node, path);
    if (this.#draft.isEmpty(node))
      throw invalid(path(), 'it is empty: calls and results could not be told apart.');
    const id = toolId(this.#draft.document.text(node));
    return repeatedId(id, this.#times.get(id) ?? 0);
  }

  /** Begins a request. */
  clear(): void {
    this.open.clear();
    this.#times.clear();
  }

  /** The id of a call that is made: one of an earlier turn, which some servers use again, is told apart. */
  #newId(node: number, path: () => string): string {
    const known = this.idOf(node, path);
    if (this.open.has(known)) return known;
    const id = toolId(this.#draft.document.text(node));
    const times = (this.#times.get(id) ?? 0) + 1;
    this.#times.set(id, times);
    return repeatedId(id, times);
  }

  /** Writes one of a message's `tool_calls` as a tool_use block. */
  write(call: number, blocks: BlockWriter, path: () => string): void {
    const draft = this.#draft;
    const { document, writer } = draft;
    draft.expectObject(call, path);
    CALL.read(document, call);
    if (CALL.others.length > 0) draft.loseOthers(CALL, 'messages[].tool_calls[].');
    const type = CALL.at(TYPE);
    if (type >= 0 && !draft.is(type, 'function'))
      throw unsupported(`${path()}.type`, 'Anthropic knows calls of functions only.');
    const id = this.#newId(CALL.at(ID), () => `${path()}.id`);
    const called = CALL.at(FUNCTION);
    if (called < 0) throw missing(`${path()}.function`);
    draft.expectObject(called, () => `${path()}.function`);
    CALLED.read(document, called);
    if (CALLED.others.length > 0) draft.loseOthers(CALLED, 'messages[].tool_calls[].function.');
    const name = CALLED.at(NAME);
    if (name < 0) throw missing(`${path()}.function.name`);
    draft.expectString(name, () => `${path()}.function.name`);
    const held = CALLED.at(ARGUMENTS);
    if (held < 0) throw missing(`${path()}.function.arguments`);
    draft.expectString(held, () => `${path()}.function.arguments`);
    if (!this.open.add(id)) throw invalid(`${path()}.id`, 'another call of this message has the same id.');
    blocks.next();
    writer.ascii('{"type":"tool_use","id":"');
    writer.ascii(id);
    writer.ascii('","name":');
    draft.copy(name);
    writer.ascii(',"input":');
    writeHeldObject(draft, held, () => `${path()}.function.arguments`);
    blocks.close(NO_MARK);
  }
}
