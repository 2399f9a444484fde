import { MARK_KEY, MAX_MARKS } from '../dialects/cache-mark.ts';
import { CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT } from '../std/json/bytes.ts';
import type { Envelope } from './envelope.ts';

/**
 * The tool definitions with their key, in the order in which they are sent. Inside of them nothing moves, but for the
 * client's cache marks, which are written last. A mark says up to which place of the list is cached, so it stays at its
 * place when tools change theirs.
 */
export function writeTools(envelope: Envelope, key: number): void {
  const { document, canonical, blocks, request, sent } = envelope;
  const { tools } = request;
  if (tools.marked) placeMarks(envelope);
  canonical.node(document, key);
  canonical.byte(COLON);
  sent.toolsStart = canonical.length;
  canonical.byte(OPEN_ARRAY);
  for (let place = 0; place < blocks.tools.length; place++) {
    if (place > 0) canonical.byte(COMMA);
    const start = canonical.length;
    const index = blocks.tools.at(place);
    if (tools.marked) writeMarked(envelope, tools.nodes.at(index), sent.toolMarks.at(place));
    else canonical.node(document, tools.nodes.at(index));
    sent.tools.push(start, canonical.length);
  }
  canonical.byte(CLOSE_ARRAY);
  sent.toolsEnd = canonical.length;
}

/**
 * Gives each mark its place; where a tool cannot carry one now, the next one before it that can. More than the vendor takes
 * stay with their tools: they are its to refuse.
 */
function placeMarks({ blocks, request, sent }: Envelope): void {
  const { tools } = request;
  const { toolMarks } = sent;
  let marks = 0;
  for (let place = 0; place < tools.length; place++) {
    const mark = tools.marks.at(blocks.tools.at(place));
    if (mark >= 0) marks++;
    toolMarks.push(mark);
  }
  if (marks > MAX_MARKS) return;
  for (let place = 0; place < tools.length; place++) toolMarks.set(place, -1);
  for (let given = 0; given < tools.length; given++) {
    if (tools.marks.at(given) < 0) continue;
    let place = given;
    // One that stays with its tool is the vendor's to judge.
    if (blocks.tools.at(place) !== given)
      while (place >= 0 && (tools.markable.at(blocks.tools.at(place)) === 0 || toolMarks.at(place) >= 0))
        place--;
    if (place >= 0) toolMarks.set(place, tools.marks.at(given));
  }
}

/** A tool without its own mark, null or not, and with the given one, unless that is -1. */
function writeMarked({ document, canonical, sent }: Envelope, tool: number, mark: number): void {
  canonical.byte(OPEN_OBJECT);
  let first = true;
  const end = document.next(tool);
  for (let key = tool + 1; key < end; key = document.next(key + 1)) {
    if (document.textEquals(key, MARK_KEY)) continue;
    if (!first) canonical.byte(COMMA);
    canonical.member(document, key);
    first = false;
  }
  if (mark >= 0) {
    const start = canonical.length;
    if (!first) canonical.byte(COMMA);
    canonical.member(document, mark - 1);
    sent.cuts.push(start, canonical.length);
  }
  canonical.byte(CLOSE_OBJECT);
}
