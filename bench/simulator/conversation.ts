/** A function the model may call. */
export interface ToolSpec {
  readonly name: string;
  /** JSON Schema of the arguments, as the client sent it. */
  readonly schema: unknown;
}

/** Whom the model must call. */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

/** What a request asks, whatever dialect it was written in. */
export interface Conversation {
  readonly model: string;
  /** Identity of roles and texts: the same for every spelling of the same messages. */
  readonly hash: bigint;
  /** Text of the last message if that is the user's, otherwise null. */
  readonly userText: string | null;
  /** The tool results the conversation ends with. */
  readonly toolResults: readonly string[];
  readonly tools: readonly ToolSpec[];
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls: boolean;
  /** The model thinks aloud before it answers. */
  readonly thinking: boolean;
  /** Number of answers. */
  readonly choices: number;
  /** Bound of each answer; Infinity where none was given. */
  readonly maxOutputTokens: number;
  readonly stream: boolean;
  /** The stream tells its usage. */
  readonly streamUsage: boolean;
  /** Pads stream events against observers of their size. */
  readonly obfuscation: boolean;
}
