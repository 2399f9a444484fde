import type { ThinkingBlocks } from '../conversation.ts';
import { canonicalModel } from '../prices.ts';
import type { VendorError } from '../vendor-error.ts';
import { bad, type Block, type MessagesBody } from './anthropic-body.ts';
import type { ThinkingSetting } from './anthropic-rules.ts';
import { isObject, type Json } from './chat-body.ts';

/**
 * Thinking blocks and their signatures (guides "Extended thinking", "Preserved thinking"). A signature says which model thought
 * which text how long, and, as the models with bound thinking demand, what stood before it:
 *
 *   prefix     everything earlier but thinking: tools, system, messages; marks and spelling of the JSON do not matter
 *   previous   the thinking block before it, so that the oldest blocks may be left out, but none between two others
 */
interface Signed {
  readonly model: string;
  readonly text: string;
  readonly tokens: number;
  readonly prefix: string;
  readonly previous: string;
}

/** Where one conversation's thinking has come to. */
type Binding = Pick<Signed, 'model' | 'prefix' | 'previous'>;

const SECRET = 0x51_6d_0a_7en;
/** Real signatures are some hundred characters long. */
const PADDED_BYTES = 288;

const hashOf = (text: string, seed = 0n): string =>
  Bun.hash.xxHash3(text, seed).toString(16).padStart(16, '0');

/** Base64, and as long as the vendor's: it has to come back as it is. */
function seal({ model, text, tokens, prefix, previous }: Signed): string {
  const payload = [model, text, tokens, prefix, previous].join('|');
  const sealed = `${payload}|${hashOf(payload, SECRET)}|`;
  return Buffer.from(sealed.padEnd(PADDED_BYTES, '?>~\u007f')).toString('base64');
}

/** Null: not made here, or not whole. */
function readSignature(signature: string): Signed | null {
  const parts = Buffer.from(signature, 'base64').toString().split('|');
  const [model = '', text = '', tokens = '', prefix = '', previous = ''] = parts;
  const signed = { model, text, tokens: Number(tokens), prefix, previous };
  return seal(signed) === signature ? signed : null;
}

/** A value without its marks, at any depth of the blocks of the API, and with fields in one order. */
function plain(block: Json): unknown[] {
  return Object.keys(block)
    .filter((name) => name !== 'cache_control')
    .sort()
    .flatMap((name) => [name, name === 'content' ? plainContent(block[name]) : block[name]]);
}

/** A string and one text block are the same. */
function plainContent(content: unknown): unknown {
  if (typeof content === 'string') return [plain({ type: 'text', text: content })];
  return Array.isArray(content) ? content.map((part) => (isObject(part) ? plain(part) : part)) : content;
}

class Prefix {
  #hash = 0n;

  get hash(): string {
    return this.#hash.toString(16);
  }

  add(role: string, block: Json): void {
    this.#hash = Bun.hash.xxHash3(`${role}\0${JSON.stringify(plain(block))}`, this.#hash);
  }
}

const isThinking = (block: Block): boolean => block.type === 'thinking' || block.type === 'redacted_thinking';

/** Why a block is not shown to the model. */
interface Dropped {
  readonly type: 'thinking_dropped';
  readonly path: string;
  readonly reason: 'model_binding_mismatch' | 'prefix_binding_mismatch';
}

/** Thinking that came back, checked. */
export interface CheckedThinking {
  /** Blocks the model sees, with their tokens. */
  readonly kept: ReadonlyMap<Block, number>;
  readonly dropped: readonly Dropped[];
  /** What the next block will be bound to. */
  readonly binding: Binding;
}

/**
 * Every thinking block must carry a signature made here for its very text. Blocks of other models are dropped without a word;
 * bound ones behind a changed conversation are refused, or dropped where the request says so.
 */
export function checkThinking(body: MessagesBody, mayDrop: boolean): CheckedThinking | VendorError {
  const { claude } = body;
  const model = canonicalModel(body.model);
  const prefix = new Prefix();
  const kept = new Map<Block, number>();
  const dropped: Dropped[] = [];
  let previous = '';
  if (claude.boundThinking) {
    for (const tool of body.tools) prefix.add('tools', tool);
    for (const block of body.system) prefix.add('system', block);
  }
  for (const [turnIndex, turn] of body.turns.entries()) {
    for (const [index, block] of turn.blocks.entries()) {
      if (!isThinking(block)) {
        if (claude.boundThinking) prefix.add(turn.role, block);
        continue;
      }
      const path = `messages.${turnIndex}.content.${index}`;
      const { thinking: text, signature } = block as {
        readonly thinking?: string;
        readonly signature?: string;
      };
      // None of these is ever made here.
      if (text === undefined || signature === undefined)
        return bad(`${path}: Invalid \`data\` in \`redacted_thinking\` block`);
      const signed = readSignature(signature);
      if (signed === null || signed.text !== hashOf(text))
        return bad(`${path}: Invalid \`signature\` in \`thinking\` block`);
      const isOldest = previous === '';
      const fits =
        !claude.boundThinking ||
        (signed.prefix === prefix.hash && (isOldest || signed.previous === previous));
      if (signed.model !== model) {
        dropped.push({ type: 'thinking_dropped', path, reason: 'model_binding_mismatch' });
      } else if (fits) {
        kept.set(block, signed.tokens);
        previous = hashOf(signature);
      } else if (mayDrop) {
        dropped.push({ type: 'thinking_dropped', path, reason: 'prefix_binding_mismatch' });
      } else {
        return bad(
          `${path}: Invalid \`thinking\` block. The block is bound to a different conversation: the messages, system prompt or tools before it have changed since it was created.`,
        );
      }
    }
  }
  return { kept, dropped, binding: { model, prefix: prefix.hash, previous } };
}

/** Header with which a request may say what happens to thinking of another conversation. */
const BINDING_BETA = 'thinking-binding-controls-2026-08-01';

/** The request wants thinking behind a changed conversation dropped. */
export function dropsForeignThinking(body: MessagesBody, beta: string): boolean {
  const { thinking } = body.json;
  const binding = isObject(thinking) ? thinking['block_binding'] : null;
  return (
    beta.includes(BINDING_BETA) && isObject(binding) && binding['prefix_mismatch_behavior'] === 'drop_block'
  );
}

/** How the answer's thinking is handed out. */
export function thinkingBlocks(
  checked: CheckedThinking,
  setting: ThinkingSetting,
  beta: string,
): ThinkingBlocks {
  return {
    shown: setting.shown,
    counted: setting.mode !== 'disabled',
    sign: (text, tokens) => seal({ ...checked.binding, text: hashOf(text), tokens }),
    dropped: beta.includes(BINDING_BETA) ? checked.dropped : null,
  };
}
