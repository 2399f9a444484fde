/** A function the model may call. */
export interface ToolSpec {
  readonly name: string;
  /** JSON Schema of the arguments, as the client sent it. */
  readonly schema: unknown;
}

/** Whom the model must call. */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

/** Anthropic: how thinking is handed out. */
export interface ThinkingBlocks {
  /** As text; otherwise as a signature alone. */
  readonly shown: boolean;
  /** The usage tells its tokens. */
  readonly counted: boolean;
  /** The signature of a block that shows `text`. */
  sign(text: string, tokens: number): string;
  /** Blocks of the request that the model does not see; null: the client did not ask. */
  readonly dropped: readonly object[] | null;
}

/** What a request asks, whatever dialect it was written in. */
export interface Conversation {
  readonly model: string;
  /** Identity of roles and texts: the same for every spelling of the same messages. */
  readonly hash: bigint;
  /** Text of the last message if that is the user's, otherwise null. */
  readonly userText: string | null;
  /** The tool results the conversation ends with. */
  readonly toolResults: readonly string[];
  /** What the user said last, be it before tool results; '' for nothing. */
  readonly askedText: string;
  /** Turns with tool calls since then. */
  readonly callRounds: number;
  readonly tools: readonly ToolSpec[];
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls: boolean;
  /** The model thinks aloud before it answers. */
  readonly thinking: boolean;
  /** Null: the vendor has no such blocks. */
  readonly thinkingBlocks: ThinkingBlocks | null;
  /** Number of answers. */
  readonly choices: number;
  /** Bound of each answer; Infinity where none was given. */
  readonly maxOutputTokens: number;
  /** A longer prompt is refused. */
  readonly maxPromptTokens: number;
  /** The answer ends before the first of these. */
  readonly stopSequences: readonly string[];
  readonly stream: boolean;
  /** The stream tells its usage. */
  readonly streamUsage: boolean;
  /** Pads stream events against observers of their size. */
  readonly obfuscation: boolean;
}
