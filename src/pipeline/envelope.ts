import { MessagesRequest } from '../dialects/anthropic-messages/request.ts';
import { ChatRequest } from '../dialects/openai-chat/request.ts';
import type { RequestFacts } from '../dialects/request-facts.ts';
import type { DialectId, ModelRoute } from '../providers/types.ts';
import { JsonDocument } from '../std/json/document.ts';
import { IntList } from '../std/json/int-list.ts';
import { CanonicalWriter } from '../std/json/writer.ts';
import { Edits } from './edits.ts';
import { Spans } from './spans.ts';

/** A block chain as it stood, to go on from there. */
export interface ChainState {
  readonly low: number;
  readonly high: number;
}

/** What the caller knows of a request besides its body. */
export interface PipelineInput {
  readonly body: Uint8Array;
  /** What the client speaks. */
  readonly dialect: DialectId;
  /** Who may share an answer: the API key's id, or `global`. */
  readonly scope: string;
  readonly routePath: string;
  /** Headers that carry meaning for the vendor, in one canonical text. */
  readonly headers: string;
  /** Byte-exact mode: the body goes out as it came. */
  readonly passthrough: boolean;
}

/**
 * The parts of a prompt: System · Tool · History · Query. Messages are counted from 0 in the client's order:
 *
 * ```
 *   0 … systemEnd   leading system and developer messages, where the system prompt is no field of its own
 *     … historyEnd  up to and with the last assistant message
 *     … the rest    the query
 * ```
 */
export interface Blocks {
  /** The tool definitions in the order in which they are sent, each by its place in the client's list. */
  readonly tools: IntList;
  systemEnd: number;
  historyEnd: number;
}

/** The prompt's parts in the bytes as they are sent, without what the gateway adds. */
export interface SentPrompt {
  /** The bytes that the offsets are of: the canonical body, or the client's own in byte-exact mode. */
  bytes: Buffer;
  /** The array of tool definitions, brackets included; empty where there is none. */
  toolsStart: number;
  toolsEnd: number;
  /** The system prompt: a field's value, or the messages that lead; empty where there is none. */
  systemStart: number;
  systemEnd: number;
  readonly tools: Spans;
  /** Of each tool: value node of the client's mark, -1 without one. Empty where no tool has one. */
  readonly toolMarks: IntList;
  readonly messages: Spans;
  /** Of each block of the request: the object, or the string in its place. Empty in byte-exact mode. */
  readonly blocks: Spans;
  /**
   * What is no part of the prompt, in ascending order: the client's cache marks, and the brackets around a text block that
   * stands where a string would say the same. Empty in byte-exact mode.
   */
  readonly cuts: Spans;
}

const NO_BYTES = Buffer.alloc(0);
const NO_PARTS: readonly Uint8Array[] = [];
const NO_WARNINGS: readonly string[] = [];
const NO_INPUT: PipelineInput = {
  body: NO_BYTES,
  dialect: 'openai-chat',
  scope: '',
  routePath: '',
  headers: '',
  passthrough: false,
};
const NO_ROUTE = null as unknown as ModelRoute;

/**
 * One request on its way through the stages. Every field is filled by exactly one of them, named beside it; the object
 * and its buffers are reused for the next request of the thread.
 */
export class Envelope {
  input: PipelineInput = NO_INPUT;

  // Inbound Adapter
  /** The body in the vendor's dialect. */
  readonly document = new JsonDocument();
  readonly readers: Readonly<Record<DialectId, RequestFacts>> = {
    'openai-chat': new ChatRequest(),
    'anthropic-messages': new MessagesRequest(),
  };
  /** What the client asked for, in its own dialect; nodes are of the document only where that is the vendor's too. */
  client: RequestFacts = this.readers['openai-chat'];
  /** What the vendor is asked for. */
  request: RequestFacts = this.client;
  route: ModelRoute = NO_ROUTE;
  /** The dialects differ: the body was converted. */
  converted = false;
  /** What the conversion lost, for the client. */
  warnings: readonly string[] = NO_WARNINGS;
  /** The same in source text: it counts for the identity of the call. */
  lost = '';
  /** The vendor takes cache marks for this model. */
  takesMarks = false;

  // Chunker; Arranger (order of the tools)
  readonly blocks: Blocks = { tools: new IntList(), systemEnd: 0, historyEnd: 0 };

  // Canonicalizer: the body before anything the gateway adds, and offsets into it. Later stages may write behind its end
  // for a moment and truncate.
  readonly canonical = new CanonicalWriter();
  readonly sent: SentPrompt = {
    bytes: NO_BYTES,
    toolsStart: 0,
    toolsEnd: 0,
    systemStart: 0,
    systemEnd: 0,
    tools: new Spans(),
    toolMarks: new IntList(),
    messages: new Spans(),
    blocks: new Spans(),
    cuts: new Spans(),
  };
  /** Where members are added: after `model`. */
  additionsAt = 0;
  /** The `stream_options` member with its comma; -1 where there is none. */
  streamOptionsStart = -1;
  streamOptionsEnd = -1;

  // CacheInjector, Outbound Adapter: what is added to the canonical body. Not applied in byte-exact mode.
  readonly edits = new Edits();

  // Hasher
  fullHash: Uint8Array = NO_BYTES;
  prefixHash: ChainState = { low: 0, high: 0 };
  affinityHash = 0;

  // Outbound Adapter
  usageAdded = false;
  /** The vendor's body, in parts that follow each other. */
  body: readonly Uint8Array[] = NO_PARTS;

  /** Makes the envelope ready for a request. */
  open(input: PipelineInput): void {
    this.input = input;
    this.edits.clear();
  }

  /** Lets go of everything that belongs to the request, so that an idle thread keeps no prompt alive. */
  close(): void {
    this.input = NO_INPUT;
    this.route = NO_ROUTE;
    this.warnings = NO_WARNINGS;
    this.lost = '';
    this.document.release();
    this.sent.bytes = NO_BYTES;
    this.fullHash = NO_BYTES;
    this.body = NO_PARTS;
  }
}

export type StageName =
  | 'inbound_adapter'
  | 'chunker'
  | 'arranger'
  | 'canonicalizer'
  | 'cache_injector'
  | 'hasher'
  | 'outbound_adapter';

/** The one shape of a stage: pure, synchronous, reads and fills the envelope; throws GatewayError. */
export interface Stage {
  readonly name: StageName;
  run(envelope: Envelope): void;
  /**
   * The same as {@link run} in steps, for a body of many megabytes: between any two of them the thread does other work, or gives
   * the request up. Stages that are one step, whatever a body holds, have none.
   */
  steps?(envelope: Envelope): Generator<void, void>;
}
