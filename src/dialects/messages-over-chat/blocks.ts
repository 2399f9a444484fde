import { decodeRaw, encodeRaw, inventedId } from '../raw-text.ts';
import { uniqueSource } from './message.ts';
import { ArgumentsProgress } from './arguments-progress.ts';
import { inputSource } from './message.ts';

/** A content block of a Message that is being told. `raw` is what has come and has not been told yet. */
interface Block {
  readonly kind: 'text' | 'thinking' | 'tool';
  raw: string;
  /** Index in the Message; -1 while it has not been opened. */
  index: number;
}

/** A tool call. Id and name are source; null until the vendor has told them. */
export interface CallBlock extends Block {
  readonly kind: 'tool';
  id: string | null;
  name: string | null;
  readonly progress: ArgumentsProgress;
  /** It has been told to its end. */
  closed: boolean;
}

/** Of what has to wait for its place in the order of blocks. */
const MAX_WAITING_CHARS = 8 * 1024 * 1024;
const MAX_WAITING_BLOCKS = 1_024;

const START = {
  text: '{"type":"text","text":""}',
  thinking: '{"type":"thinking","thinking":"","signature":""}',
};
const DELTA = {
  text: '{"type":"text_delta","text":"',
  thinking: '{"type":"thinking_delta","thinking":"',
  tool: '{"type":"input_json_delta","partial_json":"',
};

const isCall = (block: Block): block is CallBlock => block.kind === 'tool';

/** What is told of arguments that are no object: nothing until they are whole, then the object that stands for them. */
function otherArguments(raw: string, whole: boolean): string {
  const source = whole ? inputSource(decodeRaw(raw)) : '{}';
  return source === '{}' ? '' : encodeRaw(source);
}

/**
 * Turns what comes in any order into blocks one after the other, which is all that a Messages stream knows.
 *
 * The first block in the queue is open and told as it comes; those behind it wait. A text is over when something else
 * begins; a tool call when its arguments are a whole object, or when the vendor has finished. So calls that come one by one
 * are told without delay, and interleaved ones are put in order.
 */
export class BlockQueue {
  readonly #unique: string;
  #queue: Block[] = [];
  #opened = 0;
  #waitingChars = 0;

  /** @param unique no two answers have the same: ids of calls follow from it */
  constructor(unique: string) {
    this.#unique = unique;
  }

  /** More waits than is held. */
  get overfull(): boolean {
    return this.#waitingChars > MAX_WAITING_CHARS || this.#queue.length > MAX_WAITING_BLOCKS;
  }

  /** Adds to the text or thinking at the end of the queue, or begins one there. */
  append(kind: 'text' | 'thinking', raw: string): void {
    const last = this.#queue.at(-1);
    if (last?.kind === kind) last.raw += raw;
    else this.#queue.push({ kind, raw, index: -1 });
    this.#waitingChars += raw.length;
  }

  beginCall(): CallBlock {
    const call: CallBlock = {
      kind: 'tool',
      raw: '',
      index: -1,
      id: null,
      name: null,
      progress: new ArgumentsProgress(),
      closed: false,
    };
    this.#queue.push(call);
    return call;
  }

  /** Adds to a call's arguments. Behind a whole object nothing can follow, and nothing is told. */
  appendArguments(call: CallBlock, raw: string): void {
    if (call.closed || raw === '') return;
    call.progress.push(decodeRaw(raw));
    call.raw += raw;
    this.#waitingChars += raw.length;
  }

  /** A call that waits and has no name: with it, nothing can be told to the end. */
  get nameless(): boolean {
    return this.#queue.some((block) => isCall(block) && block.name === null);
  }

  /**
   * The records for what can be told now. `final`: the vendor has finished, all of it can; a call without an id gets one
   * of its own.
   */
  drain(final: boolean): string {
    let out = '';
    for (let block = this.#queue[0]; block !== undefined; block = this.#queue[0]) {
      if (block.index < 0) {
        const start = this.#startOf(block, final);
        if (start === null) return out;
        block.index = this.#opened++;
        out += `event: content_block_start\ndata: {"type":"content_block_start","index":${block.index},"content_block":${start}}\n\n`;
      }
      const over = final || (this.#queue.length > 1 && (!isCall(block) || block.progress.complete));
      const told = isCall(block) && !block.progress.isObject ? otherArguments(block.raw, over) : block.raw;
      if (told !== '') {
        out += `event: content_block_delta\ndata: {"type":"content_block_delta","index":${block.index},"delta":${DELTA[block.kind]}${told}"}}\n\n`;
      }
      if (told !== '' || over) {
        this.#waitingChars -= block.raw.length;
        block.raw = '';
      }
      if (!over) return out;
      out += `event: content_block_stop\ndata: {"type":"content_block_stop","index":${block.index}}\n\n`;
      if (isCall(block)) block.closed = true;
      this.#queue.shift();
    }
    return out;
  }

  /** null: not to be opened yet. The input of a call is empty here; all of it comes in fragments. */
  #startOf(block: Block, final: boolean): string | null {
    if (!isCall(block)) return START[block.kind as 'text' | 'thinking'];
    if (block.name === null || (block.id === null && !final)) return null;
    const place = `${this.#unique}${this.#opened}`;
    const id = block.id === null ? inventedId('toolu_', place) : uniqueSource(block.id, block.name, place);
    return `{"type":"tool_use","id":${id},"name":${block.name},"input":{}}`;
  }
}
