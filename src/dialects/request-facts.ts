import type { DialectId } from '../providers/types.ts';
import type { JsonDocument } from '../std/json/document.ts';
import { IntList } from '../std/json/int-list.ts';
import type { KeyTable } from '../std/json/keys.ts';
import { BlockList, ToolList } from './block-list.ts';

/** Who speaks in a message, as numbers to be kept in an {@link IntList}: index into {@link ROLE_NAMES}. */
export const Role = { User: 0, Assistant: 1, Tool: 2, System: 3, Developer: 4, Function: 5 } as const;
export const ROLE_NAMES = ['user', 'assistant', 'tool', 'system', 'developer', 'function'] as const;

/** Where things lie in the requests of a dialect, and in which order their typed wrappers are written. */
export interface RequestShape {
  readonly dialect: DialectId;
  /** Keys of the body that come first, `model` before all; others follow by their text, `messages` last. */
  readonly bodyKeys: KeyTable;
  /** Keys of a message and of a block (a content part) that come first; others follow by their text. */
  readonly messageKeys: KeyTable;
  readonly blockKeys: KeyTable;
  /** The system prompt is a field of the body; otherwise it is the system messages that lead. */
  readonly systemField: boolean;
  /** A mark that is null says the same as none, and is left out. */
  readonly nullMarks: boolean;
  /** The content of a block of such a type is blocks again. */
  readonly nestingTypes: readonly string[];
}

/**
 * What the gateway itself must know of a request; everything else passes through. One shape for all dialects, so that
 * later stages have no other.
 *
 * One object serves all requests of a thread: {@link read} fills it anew.
 */
export abstract class RequestFacts {
  abstract readonly shape: RequestShape;
  model = '';
  stream = false;
  /** The client gets the usage of its stream: it asked for it, or its dialect always tells. */
  usageRequested = false;
  /** False for calls with side effects or stored state: each of them is meant to happen. */
  shareable = true;
  maxOutputTokens: number | null = null;
  n = 1;
  messagesNode = -1;
  /** -1 when absent or null. */
  toolsNode = -1;
  /** The system prompt, where that is a field of its own; -1 when absent or null. */
  systemNode = -1;
  /** Some message may have something that is no text. */
  media = true;
  /** -1 when absent; may be null. */
  streamOptionsNode = -1;
  /** The client set `prompt_cache_key`, be it to null: it is not set again. */
  clientCacheKey = false;
  /** TTL of the mark that the vendor is asked to put on the last block by itself (top level `cache_control`). */
  automaticTtl = 0;
  /** Of each message: its node, its {@link Role}, the node of its content if that is an array of blocks, else -1. */
  readonly messages = new IntList();
  readonly roles = new IntList();
  readonly parts = new IntList();
  /** 1 where the keys of a message and of its blocks are known to stand in canonical order, 0 where that is open. */
  readonly ordered = new IntList();
  readonly tools = new ToolList();
  /** Empty where nobody needs it: {@link locateBlocks}. */
  readonly blocks = new BlockList();

  /** Reads and checks a request. Throws GatewayError naming the field at fault. */
  abstract read(document: JsonDocument): void;

  /** Sees to it that {@link blocks} and the marks of {@link tools} are filled. For vendors that take cache marks. */
  abstract locateBlocks(document: JsonDocument): void;

  /** The node of the name by which a tool is sorted, -1 for one that keeps its place behind them. */
  abstract toolName(document: JsonDocument, tool: number): number;
}
