import type { RequestShape } from '../dialects/request-facts.ts';
import type { DialectId } from '../providers/types.ts';
import { asBuffer } from '../std/bytes.ts';
import { COMMA } from '../std/json/bytes.ts';
import { BlockNotes } from './block-notes.ts';
import type { Envelope, Stage } from './envelope.ts';
import { MessageWriter } from './message-writer.ts';
import { writeTools } from './tool-writer.ts';
import { WrapperKeys } from './wrapper-keys.ts';

/** What the body's fixed texts add to its source at most, the model's name apart. */
const FIXED_BYTES = 64;

/**
 * Canonicalizer: the body in one spelling. Key order of typed wrappers (the body, messages, blocks), whitespace and escape
 * style are normalised; everything inside tool definitions, schemas, arguments and content keeps its order and text.
 *
 * The body's order is `model`, what the dialect's shape puts behind it, the rest alphabetically, `messages` last (one
 * host's cache is known to want them after the tools). `model` is the resolved name. While writing it notes where tools,
 * system, messages and blocks come to lie, so that later stages hash and mark the bytes that are sent. In byte-exact mode
 * those are the client's own.
 */
export function canonicalizer(): Stage {
  const writers = new Map<DialectId, BodyWriter>();
  return {
    name: 'canonicalizer',
    run(envelope) {
      if (envelope.input.passthrough) {
        locateAsGiven(envelope);
        return;
      }
      const { shape } = envelope.request;
      let writer = writers.get(shape.dialect);
      if (writer === undefined) writers.set(shape.dialect, (writer = new BodyWriter(shape)));
      writer.write(envelope);
    },
  };
}

/** Writes the bodies of a dialect. */
class BodyWriter {
  readonly #keys: WrapperKeys;
  readonly #notes = new BlockNotes();
  readonly #messages: MessageWriter;

  constructor(shape: RequestShape) {
    this.#keys = new WrapperKeys(shape.bodyKeys);
    this.#messages = new MessageWriter(shape, this.#notes);
  }

  write(envelope: Envelope): void {
    const { document, canonical, request, route, sent } = envelope;
    const keys = this.#keys;
    canonical.reset(document.bytes.byteLength + route.upstreamModel.length * 6 + FIXED_BYTES);
    canonical.ascii('{"model":');
    canonical.string(route.upstreamModel);
    envelope.additionsAt = canonical.length;
    envelope.streamOptionsStart = -1;
    sent.tools.clear();
    sent.toolMarks.clear();
    sent.toolsStart = sent.toolsEnd = 0;
    sent.systemStart = sent.systemEnd = 0;
    this.#notes.open(envelope);
    keys.read(document, 0);
    // The model's key comes first, and is written already.
    for (let place = 1; place < keys.length; place++) {
      const key = keys.key(place);
      const value = key + 1;
      if (value === request.messagesNode) continue;
      const start = canonical.length;
      canonical.byte(COMMA);
      if (value === request.toolsNode) writeTools(envelope, key);
      else if (value === request.systemNode) this.#messages.writeSystem(envelope, key);
      else canonical.member(document, key);
      if (value === request.streamOptionsNode) {
        envelope.streamOptionsStart = start;
        envelope.streamOptionsEnd = canonical.length;
      }
    }
    canonical.ascii(',"messages":[');
    this.#messages.write(envelope);
    canonical.ascii(']}');
    sent.bytes = canonical.view();
    if (!request.shape.systemField) locateLeadingSystem(envelope);
  }
}

/** The messages that lead, with the commas between them, are the system prompt. */
function locateLeadingSystem({ blocks, sent }: Envelope): void {
  if (blocks.systemEnd === 0) return;
  sent.systemStart = sent.messages.start(0);
  sent.systemEnd = sent.messages.end(blocks.systemEnd - 1);
}

function locateAsGiven(envelope: Envelope): void {
  const { document, input, request, sent } = envelope;
  const { systemNode, tools, toolsNode } = request;
  sent.bytes = asBuffer(input.body);
  sent.toolsStart = toolsNode < 0 ? 0 : document.start(toolsNode);
  sent.toolsEnd = toolsNode < 0 ? 0 : document.end(toolsNode);
  sent.systemStart = systemNode < 0 ? 0 : document.start(systemNode);
  sent.systemEnd = systemNode < 0 ? 0 : document.end(systemNode);
  sent.tools.clear();
  sent.toolMarks.clear();
  sent.blocks.clear();
  sent.cuts.clear();
  for (let index = 0; index < tools.length; index++) {
    const tool = tools.nodes.at(index);
    sent.tools.push(document.start(tool), document.end(tool));
  }
  sent.messages.clear();
  for (let index = 0; index < request.messages.length; index++) {
    const message = request.messages.at(index);
    sent.messages.push(document.start(message), document.end(message));
  }
  if (!request.shape.systemField) locateLeadingSystem(envelope);
}
