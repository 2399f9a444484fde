/**
 * `stop_reason` of a Messages answer as `finish_reason`. `pause_turn` (a server tool wants the turn sent again) has no
 * counterpart and is a stop, as is what is not known. With tool calls there, a plain end is `tool_calls`: compatible
 * servers get that wrong, and clients go by it.
 */
export function finishReason(stopReason: string | null, hasToolCalls: boolean): string {
  switch (stopReason ?? '') {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'refusal':
      return 'content_filter';
    default:
      return hasToolCalls ? 'tool_calls' : 'stop';
  }
}
