import { ChatRequest } from '../dialects/openai-chat/request.ts';
import type { ModelRoute } from '../providers/types.ts';
import { JsonDocument } from '../std/json/document.ts';
import { IntList } from '../std/json/int-list.ts';
import { CanonicalWriter } from '../std/json/writer.ts';
import { Edits } from './edits.ts';
import { Spans } from './spans.ts';

/** What the caller knows of a request besides its body. */
export interface PipelineInput {
  readonly body: Uint8Array;
  /** Who may share an answer: the API key's id, or `global`. */
  readonly scope: string;
  readonly routePath: string;
  /** Headers that carry meaning for the vendor, in one canonical text. */
  readonly headers: string;
  /** Byte-exact mode: the body goes out as it came. */
  readonly passthrough: boolean;
}

/**
 * The parts of a prompt (DESIGN: System · Tool · History · Query). Messages are counted from 0 in the client's order:
 *
 * ```
 *   0 … systemEnd   leading system and developer messages
 *     … historyEnd  up to and with the last assistant message
 *     … the rest    the query
 * ```
 */
export interface Blocks {
  /** Nodes of the tool definitions, in the order in which they are sent. */
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
  readonly tools: Spans;
  readonly messages: Spans;
}

const NO_BYTES = Buffer.alloc(0);
const NO_PARTS: readonly Uint8Array[] = [];
const NO_INPUT: PipelineInput = { body: NO_BYTES, scope: '', routePath: '', headers: '', passthrough: false };
const NO_ROUTE = null as unknown as ModelRoute;

/**
 * One request on its way through the stages. Every field is filled by exactly one of them, named beside it; the object
 * and its buffers are reused for the next request of the thread.
 */
export class Envelope {
  input: PipelineInput = NO_INPUT;

  // Inbound Adapter
  readonly document = new JsonDocument();
  readonly request = new ChatRequest();
  route: ModelRoute = NO_ROUTE;

  // Chunker; Arranger (order of the tools)
  readonly blocks: Blocks = { tools: new IntList(), systemEnd: 0, historyEnd: 0 };

  // Canonicalizer: the body before anything the gateway adds, and offsets into it. Later stages may write behind its end
  // for a moment and truncate.
  readonly canonical = new CanonicalWriter();
  readonly sent: SentPrompt = {
    bytes: NO_BYTES,
    toolsStart: 0,
    toolsEnd: 0,
    tools: new Spans(),
    messages: new Spans(),
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
  prefixHash = '';
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
}
