import { type VendorError, vendorError } from '../vendor-error.ts';
import { type ChatBody, functionOf, isObject, toolCallsOf } from './chat-body.ts';

/** DeepSeek thinks unless told not to; the retired aliases had their own default. */
export function deepseekThinks(body: ChatBody): boolean {
  const { thinking, reasoning_effort: effort } = body.json;
  if (isObject(thinking)) return thinking['type'] !== 'disabled';
  if (effort === 'none') return false;
  return body.model !== 'deepseek-chat';
}

const MAX_OUTPUT_TOKENS = 393_216;
const USER_ID = /^[a-zA-Z0-9_-]{1,512}$/;

/** DeepSeek's rules (API reference and thinking mode guide, autumn 2026). */
export function deepseekRefusal(body: ChatBody, thinking: boolean, maxTokens: number): VendorError | null {
  const { json } = body;
  const choice = json['tool_choice'];
  if (thinking && (choice === 'required' || isObject(choice)))
    return vendorError(400, 'Thinking mode does not support this tool_choice', 'invalid_request_error');
  if (maxTokens !== Infinity && (maxTokens < 1 || maxTokens > MAX_OUTPUT_TOKENS)) {
    const text = `Invalid max_tokens value, the valid range of max_tokens is [1, ${MAX_OUTPUT_TOKENS}]`;
    return vendorError(400, text, 'invalid_request_error');
  }
  const user = json['user_id'];
  if (user !== undefined && user !== null && (typeof user !== 'string' || !USER_ID.test(user)))
    return vendorError(400, 'Invalid user_id: expected ^[a-zA-Z0-9_-]{1,512}$', 'invalid_request_error');
  for (const message of body.messages) {
    if (message.role !== 'assistant') continue;
    const calls = toolCallsOf(message);
    const { content } = message;
    if ((content === undefined || content === null) && calls.length === 0)
      return vendorError(
        400,
        'Invalid assistant message: content or tool_calls must be set',
        'invalid_request_error',
      );
    if (calls.some((call) => typeof functionOf(call)['arguments'] !== 'string'))
      return vendorError(400, 'Invalid tool call: arguments must be a string', 'invalid_request_error');
    if (thinking && body.tools.length > 0 && typeof message['reasoning_content'] !== 'string') {
      const text = 'The `reasoning_content` in the thinking mode must be passed back to the API.';
      return vendorError(400, text, 'invalid_request_error');
    }
  }
  return null;
}
