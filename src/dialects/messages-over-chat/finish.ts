/** What the vendor says of how it ended: a reason for the client, or that it broke off. */
export type Finish =
  | { readonly stopReason: string }
  /** `overloaded`: the vendor had no room, else it failed. */
  | { readonly broken: 'overloaded' | 'failed' };

/**
 * `finish_reason` of a Chat Completion as `stop_reason`. With tool calls there, a plain end is `tool_use`: compatible
 * servers get that wrong, and clients go by it; without any, `tool_calls` is a plain end.
 *
 * DeepSeek's `insufficient_system_resource` and `aborted`, and OpenRouter's `error`, are no ends of an answer.
 */
export function finishOf(finishReason: string | null, hasToolCalls: boolean, refused: boolean): Finish {
  switch (finishReason ?? '') {
    case 'length':
      return { stopReason: 'max_tokens' };
    case 'content_filter':
      return { stopReason: 'refusal' };
    case 'insufficient_system_resource':
      return { broken: 'overloaded' };
    case 'aborted':
    case 'error':
      return { broken: 'failed' };
    default:
      return { stopReason: hasToolCalls ? 'tool_use' : refused ? 'refusal' : 'end_turn' };
  }
}
