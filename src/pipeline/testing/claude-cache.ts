/**
 * A small model of the vendor's cache, written from its guide ("Prompt caching") and from nothing else of this project:
 * what a request reads from the entries that earlier ones wrote.
 */

/** Positions from a mark back to which an entry is found, its own the first. */
const LOOK_BACK = 20;
const MAX_MARKS = 4;
/** About what prose has. */
const BYTES_PER_TOKEN = 4;

interface Block {
  readonly type: string;
  /** Everything before and this, without marks. */
  readonly prefix: bigint;
  /** Of the prompt up to and with this. */
  readonly tokens: number;
  readonly marked: boolean;
  readonly position: number;
  /** The last of its message, of the system prompt or of the tools. */
  readonly closes: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const asBlocks = (content: unknown): readonly Json[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : ((content ?? []) as readonly Json[]);

/** The prompt in the order in which it is rendered. */
function render(body: Json): readonly Block[] {
  const rows: { readonly role: string; readonly blocks: readonly Json[] }[] = [
    { role: 'tools', blocks: asBlocks(body['tools']) },
    { role: 'system', blocks: asBlocks(body['system']) },
    ...(body['messages'] as readonly Json[]).map((one) => ({
      role: one['role'] as string,
      blocks: asBlocks(one['content']),
    })),
  ];
  const out: Block[] = [];
  let prefix = 0n;
  let bytes = 0;
  for (const { role, blocks } of rows) {
    for (const [index, { cache_control: mark, ...block }] of blocks.entries()) {
      const text = `${role} ${JSON.stringify(block)}`;
      const type = String(block['type']);
      const before = out.at(-1);
      const folds = before?.type === type && (type === 'tool_use' || type === 'tool_result');
      prefix = Bun.hash.xxHash3(`${prefix} ${text}`);
      bytes += text.length;
      out.push({
        type,
        prefix,
        tokens: Math.floor(bytes / BYTES_PER_TOKEN),
        marked: mark !== undefined && mark !== null,
        position: before === undefined ? 0 : before.position + (folds ? 0 : 1),
        closes: index === blocks.length - 1,
      });
    }
  }
  return out;
}

/** What one request read, and how long its prompt was, in tokens. */
export interface Reading {
  readonly read: number;
  readonly prompt: number;
}

/** One workspace's cache of one model. */
export class ClaudeCache {
  readonly #entries = new Set<bigint>();
  readonly #minTokens: number;

  constructor(minTokens: number) {
    this.#minTokens = minTokens;
  }

  /** Sends a request. Throws for what the vendor would refuse. */
  send(body: Json): Reading {
    const blocks = render(body);
    const marks = blocks.filter((block) => block.marked);
    if (marks.length > MAX_MARKS) throw new Error(`${marks.length} marks`);
    for (const { tokens, type } of marks) {
      if (type === 'thinking' || type === 'redacted_thinking') throw new Error(`a mark on ${type}`);
      if (tokens === 0) throw new Error('a mark on nothing');
    }
    let read = 0;
    for (const mark of marks)
      for (const block of blocks)
        if (block.position <= mark.position && mark.position - block.position < LOOK_BACK)
          if (this.#entries.has(block.prefix)) read = Math.max(read, block.tokens);
    for (const mark of marks) if (mark.tokens >= this.#minTokens) this.#entries.add(mark.prefix);
    return { read, prompt: blocks.at(-1)?.tokens ?? 0 };
  }
}

/** What no vendor offers: every message, the system prompt and the tools are remembered without a mark. */
export class UnlimitedCache {
  readonly #entries = new Set<bigint>();
  readonly #minTokens: number;

  constructor(minTokens: number) {
    this.#minTokens = minTokens;
  }

  send(body: Json): Reading {
    const blocks = render(body).filter((block) => block.closes);
    let read = 0;
    for (const block of blocks) if (this.#entries.has(block.prefix)) read = block.tokens;
    for (const block of blocks) if (block.tokens >= this.#minTokens) this.#entries.add(block.prefix);
    return { read, prompt: blocks.at(-1)?.tokens ?? 0 };
  }
}
