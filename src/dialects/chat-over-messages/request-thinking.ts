import { IntList } from '../../std/json/int-list.ts';
import type { Draft } from '../conversion/draft.ts';
import { invalid, missing } from '../conversion/faults.ts';
import { Members } from '../conversion/members.ts';
import type { BlockWriter } from './request-blocks.ts';

const THINKING = new Members(['type', 'thinking', 'signature', 'data', 'index']);
const TYPE = THINKING.index('type');
const TEXT = THINKING.index('thinking');
const SIGNATURE = THINKING.index('signature');
const DATA = THINKING.index('data');
const INDEX = THINKING.index('index');

/**
 * The thinking of an assistant message, as the extension `thinking_blocks` carries it: the blocks of the vendor's own
 * answer, to be given back as they were told.
 *
 * They stand before all others. A block that says by `index` which place it had among the blocks of its answer comes to
 * stand there again. One without a signature is left out: the vendor would refuse it, and none is made up.
 */
export class ThinkingBlocks {
  readonly #draft: Draft;
  readonly #nodes = new IntList();
  readonly #places = new IntList();
  #next = 0;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  /** Reads the blocks of a message, -1 where it has none. Throws GatewayError for what are no thinking blocks. */
  read(blocks: number, path: () => string): void {
    this.#nodes.clear();
    this.#places.clear();
    this.#next = 0;
    if (blocks < 0) return;
    const { document } = this.#draft;
    this.#draft.expectArray(blocks, path);
    let index = 0;
    const end = document.next(blocks);
    for (let block = blocks + 1; block < end; block = document.next(block)) {
      const at = index++;
      this.#readBlock(block, () => `${path()}[${at}]`);
    }
  }

  /** Writes the blocks whose place has come; all that are left, where nothing follows. */
  write(blocks: BlockWriter, all = false): void {
    const draft = this.#draft;
    const { document, writer } = draft;
    while (this.#next < this.#nodes.length) {
      if (!all && this.#places.at(this.#next) > blocks.count) return;
      THINKING.read(document, this.#nodes.at(this.#next++));
      blocks.next();
      if (draft.is(THINKING.at(TYPE), 'thinking')) {
        writer.ascii('{"type":"thinking"');
        draft.member('thinking', THINKING.at(TEXT));
        draft.member('signature', THINKING.at(SIGNATURE));
      } else {
        writer.ascii('{"type":"redacted_thinking"');
        draft.member('data', THINKING.at(DATA));
      }
      writer.ascii('}');
    }
  }

  #readBlock(block: number, path: () => string): void {
    const draft = this.#draft;
    const { document, losses } = draft;
    draft.expectObject(block, path);
    THINKING.read(document, block);
    const type = THINKING.at(TYPE);
    if (type < 0) throw missing(`${path()}.type`);
    const redacted = draft.is(type, 'redacted_thinking');
    if (!redacted && !draft.is(type, 'thinking'))
      throw invalid(`${path()}.type`, 'expected thinking or redacted_thinking.');
    const proof = THINKING.at(redacted ? DATA : SIGNATURE);
    if (proof >= 0) draft.expectString(proof, () => `${path()}.${redacted ? 'data' : 'signature'}`);
    if (proof < 0 || draft.isEmpty(proof)) {
      losses.lose(document, block, 'messages[].thinking_blocks', 'a block without a signature was left out.');
      return;
    }
    if (THINKING.others.length > 0) draft.loseOthers(THINKING, 'messages[].thinking_blocks[].');
    const text = THINKING.at(TEXT);
    if (!redacted && text < 0) throw missing(`${path()}.thinking`);
    if (!redacted) draft.expectString(text, () => `${path()}.thinking`);
    const place = THINKING.at(INDEX);
    const at = place < 0 ? 0 : Number(document.source(place));
    if (!Number.isInteger(at) || at < 0) throw invalid(`${path()}.index`, 'expected a whole number.');
    this.#nodes.push(block);
    this.#places.push(Math.min(at, 0x7fffffff));
  }
}
