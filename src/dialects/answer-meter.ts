import { tokensOfBytes } from '../billing/estimate.ts';
import { imageTokensAtMost } from '../models/image-tokens.ts';
import { soundTokens } from '../billing/media-tokens.ts';
import { copyBytes } from '../std/bytes.ts';
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  skipSpace,
} from '../std/json/bytes.ts';

/** What a member's strings are, by its key. */
const TEXT = 0;
const CONTENT = 1;
/** Two names of one thing, and {@link REASONING_DETAILS} a third: who sends several says the same in each. */
const REASONING = 2;
const REASONING_CONTENT = 3;
/** Up to here they are read where they stand. */
const TEXT_KINDS = REASONING_CONTENT;
const REASONING_DETAILS = 4;
/** The input of a tool as an object: all of it is the model's, keys too. */
const OBJECT_INPUT = 5;
/** What is long in there is no text. */
const SOUND = 6;
/** Names, ids, probabilities: nothing that the model has written. */
const NO_TEXT = 7;

const KINDS: Readonly<Record<string, number>> = {
  id: NO_TEXT,
  call_id: NO_TEXT,
  tool_use_id: NO_TEXT,
  type: NO_TEXT,
  role: NO_TEXT,
  model: NO_TEXT,
  object: NO_TEXT,
  format: NO_TEXT,
  usage: NO_TEXT,
  logprobs: NO_TEXT,
  signature: NO_TEXT,
  stop_reason: NO_TEXT,
  finish_reason: NO_TEXT,
  native_finish_reason: NO_TEXT,
  service_tier: NO_TEXT,
  system_fingerprint: NO_TEXT,
  provider: NO_TEXT,
  obfuscation: NO_TEXT,
  annotations: NO_TEXT,
  citation: NO_TEXT,
  citations: NO_TEXT,
  encrypted_content: NO_TEXT,
  container: NO_TEXT,
  prompt_filter_results: NO_TEXT,
  content_filter_results: NO_TEXT,
  content: CONTENT,
  reasoning: REASONING,
  reasoning_content: REASONING_CONTENT,
  reasoning_details: REASONING_DETAILS,
  input: OBJECT_INPUT,
  audio: SOUND,
};

/** By length: the keys behind one another, and the kind of each. The few of one length differ in their first bytes. */
const KEYS: readonly { readonly text: Buffer; readonly kinds: readonly number[] }[] = Array.from(
  { length: 25 },
  (_, length) => {
    const known = Object.entries(KINDS).filter(([key]) => key.length === length);
    return {
      text: Buffer.from(known.map(([key]) => key).join('')),
      kinds: known.map(([, kind]) => kind),
    };
  },
);

/** So many bytes of a string are read one by one; then its end and the next escape are searched for natively. */
const SHORT_STRING = 48;
/** What is shorter counts as text, whatever it is. */
const MEDIA_BYTES = 1_024;
/** Holds `"delta":{"content":"` and `"type":"text_delta","text":"`, or most of it. */
const FRAME_BYTES = 20;
const IMAGE_URL = Buffer.from('data:image/');

/**
 * Adds up what the model has written in the records of a stream or in a whole answer, straight from the bytes: strings by
 * their length in UTF-8, whatever escapes they are spelled with. What is no text of the model's by its key does not count,
 * and neither does the JSON around it. Pictures and sound count as what they are.
 *
 * Reads any JSON without a throw, and what is cut off as far as it goes. Keeps nothing of it, allocates nothing.
 */
export class AnswerMeter {
  #bytes = 0;
  /** Of what is no text. */
  #otherTokens = 0;
  /** Records in which there was something. */
  #records = 0;
  /** Of the last string: where its closing quote stands, and its bytes in UTF-8. */
  #close = 0;
  #size = 0;
  /** Which of the members that are measured apart this is in. */
  #within = TEXT;
  /** What stands before the text of a record that had but one, and how far behind the record's start that text began. */
  readonly #frame = Buffer.alloc(FRAME_BYTES);
  #frameEnd = -1;
  /** Of the record that is measured: what there was before it, its strings so far, and where the last one began. */
  #before = 0;
  #strings = 0;
  #open = 0;
  /** The next backslash in a buffer, and from where on: it is searched once, however many strings there are. */
  #buffer: Buffer | null = null;
  #slash = 0;
  #slashFrom = 0;

  /** Tokens of all that came; a record with anything in it has one at least. */
  get tokens(): number {
    return Math.max(this.#records, tokensOfBytes(this.#bytes)) + this.#otherTokens;
  }

  /** Counts what has no bytes of its own. */
  addTokens(tokens: number): void {
    this.#otherTokens += tokens;
  }

  /** Counts text that somebody else has measured, in bytes. */
  addText(bytes: number): void {
    this.#bytes += bytes;
  }

  /**
   * Measures a record whose text stands where that of the last one stood, as nearly all of a stream's do; answers where the
   * object around the text ends. -1 for any other record, of which nothing has been measured then.
   */
  measureAlike(bytes: Buffer, start: number, end: number): number {
    const open = start + this.#frameEnd;
    if (this.#frameEnd < 0 || open >= end) return -1;
    const frame = this.#frame;
    for (let index = FRAME_BYTES - 1, at = open - 1; index >= 0; index--, at--)
      if (bytes[at] !== frame[index]) return -1;
    let at = open;
    const limit = Math.min(end, open + SHORT_STRING);
    while (at < limit && bytes[at] !== QUOTE && bytes[at] !== BACKSLASH) at++;
    let size = at - open;
    if (at >= limit || bytes[at] !== QUOTE) {
      this.#string(bytes, open, end);
      at = this.#close;
      size = this.#size;
    }
    if (bytes[at + 1] !== CLOSE_OBJECT || size >= MEDIA_BYTES) return -1;
    if (size > 0) {
      this.#bytes += size;
      this.#records++;
    }
    return at + 2;
  }

  /** The next records will look like this one, if it had but one text. */
  #learn(bytes: Buffer, start: number): void {
    const open = this.#open;
    if (this.#strings !== 1 || open - start < FRAME_BYTES || bytes[this.#close + 1] !== CLOSE_OBJECT) return;
    this.#frameEnd = open - start;
    copyBytes(bytes, open - FRAME_BYTES, open, this.#frame, 0);
  }

  /** What is measured from now on belongs to one record. */
  beginRecord(): void {
    this.#before = this.#bytes + this.#otherTokens;
    this.#strings = 0;
  }

  /** The record that began at `start` has been measured. */
  endRecord(bytes: Buffer, start: number): void {
    if (this.#bytes + this.#otherTokens > this.#before) this.#records++;
    this.#learn(bytes, start);
  }

  /** The memory of buffers may be in use again. */
  forget(): void {
    this.#buffer = null;
  }

  /**
   * Measures the value that begins at `from` in `bytes[from, end)`, blanks before it skipped, or, with `inside` 1, the rest
   * of the object in which `from` lies. Answers where that ends.
   */
  measure(bytes: Buffer, from: number, end: number, inside = 0): number {
    let depth = inside;
    let at = from;
    if (depth === 0) {
      at = skipSpace(bytes, at);
      if (!isLong(bytes[at])) return at;
    }
    let key = TEXT;
    let content = 0;
    let reasoning = 0;
    let reasoningContent = 0;
    let details = 0;
    while (at < end) {
      const byte = bytes[at]!;
      if (byte !== QUOTE) {
        at++;
        if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
        else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --depth <= 0) break;
        continue;
      }
      const open = at + 1;
      this.#string(bytes, open, end);
      at = this.#close + 1;
      const colon = colonAt(bytes, at, end);
      if (depth > 0 && colon >= 0) {
        key = kindOf(bytes, open, at - 1);
        at = skipSpace(bytes, colon + 1);
        if (key <= TEXT_KINDS) continue;
        const before = this.#bytes;
        at = this.#value(key, bytes, at, end);
        if (key === REASONING_DETAILS) {
          details += this.#bytes - before;
          this.#bytes = before;
        }
        key = TEXT;
        continue;
      }
      const size = this.#close - open < MEDIA_BYTES ? this.#size : this.#longSize(bytes, open);
      this.#strings++;
      this.#open = open;
      // Of a key that is there twice the last one counts, as for every client.
      if (key === TEXT) this.#bytes += size;
      else if (key === CONTENT) content = depth === 1 ? size : content + size;
      else if (key === REASONING) reasoning = depth === 1 ? size : reasoning + size;
      else reasoningContent = depth === 1 ? size : reasoningContent + size;
      if (depth === 0) break;
    }
    this.#bytes += content + Math.max(reasoning, reasoningContent, details);
    return at;
  }

  /** The value of a member that is not read as the others are; answers where it ends. */
  #value(key: number, bytes: Buffer, at: number, end: number): number {
    if (!isLong(bytes[at])) return at;
    switch (key) {
      case OBJECT_INPUT: {
        if (bytes[at] === QUOTE) return this.measure(bytes, at, end);
        const next = this.#skip(bytes, at, end);
        this.#bytes += next - at;
        return next;
      }
      case SOUND:
      case REASONING_DETAILS: {
        // Within each other they say nothing, but how deep a vendor nests must cost no stack.
        if (this.#within !== TEXT) return this.#skip(bytes, at, end);
        this.#within = key;
        const next = this.measure(bytes, at, end);
        this.#within = TEXT;
        return next;
      }
      default:
        return this.#skip(bytes, at, end);
    }
  }

  /** Where a string, object or array ends. */
  #skip(bytes: Buffer, from: number, end: number): number {
    let depth = 0;
    let at = from;
    while (at < end) {
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        this.#string(bytes, at + 1, end);
        at = this.#close;
      } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
      else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--;
      at++;
      if (depth <= 0) break;
    }
    return at;
  }

  /** What counts of a long string as text: none of a picture or sound. */
  #longSize(bytes: Buffer, open: number): number {
    if (this.#within === SOUND) {
      this.#otherTokens += soundTokens(this.#close - open).tokens;
      return 0;
    }
    for (let index = 0; index < IMAGE_URL.length; index++)
      if (bytes[open + index] !== IMAGE_URL[index]) return this.#size;
    this.#otherTokens += imageTokensAtMost('');
    return 0;
  }

  /** Reads a string from behind its opening quote. */
  #string(bytes: Buffer, open: number, end: number): void {
    let at = open;
    /** Bytes of escapes beyond what they stand for. */
    let extra = 0;
    let limit = Math.min(end, open + SHORT_STRING);
    for (;;) {
      let byte = 0;
      while (at < limit) {
        byte = bytes[at]!;
        if (byte === QUOTE || byte === BACKSLASH) break;
        at++;
      }
      if (at >= limit && limit < end) {
        at = Math.min(this.#quoteOrSlash(bytes, at), end);
        if (at < end) byte = bytes[at]!;
      }
      if (at >= end || byte === QUOTE) {
        this.#close = Math.min(at, end);
        this.#size = Math.max(0, this.#close - open - extra);
        return;
      }
      const stands = bytes[at + 1] === LETTER_U ? utf8Size(bytes, at + 2) : 1;
      const length = bytes[at + 1] === LETTER_U ? 6 : 2;
      extra += length - stands;
      at += length;
      limit = Math.min(end, at + SHORT_STRING);
    }
  }

  #quoteOrSlash(bytes: Buffer, from: number): number {
    // A record may be read a second time, from before where the search began.
    if (this.#buffer !== bytes || this.#slash < from || from < this.#slashFrom) {
      const slash = bytes.indexOf(BACKSLASH, from);
      this.#slash = slash < 0 ? bytes.length : slash;
      this.#slashFrom = from;
      this.#buffer = bytes;
    }
    const quote = bytes.indexOf(QUOTE, from);
    return quote < 0 ? this.#slash : Math.min(quote, this.#slash);
  }
}

/** Begins a value that is more than a number or a word. */
const isLong = (byte: number | undefined): boolean =>
  byte === QUOTE || byte === OPEN_OBJECT || byte === OPEN_ARRAY;

/** Where the colon behind a key stands; -1 where there is none. */
function colonAt(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return -1;
  if (bytes[at] === COLON) return at;
  if (bytes[at]! > 0x20) return -1;
  const next = skipSpace(bytes, at);
  return next < end && bytes[next] === COLON ? next : -1;
}

function kindOf(bytes: Buffer, start: number, end: number): number {
  const length = end - start;
  if (length >= KEYS.length) return TEXT;
  const { kinds, text } = KEYS[length]!;
  for (let at = 0, key = 0; key < kinds.length; at += length, key++) {
    let same = 0;
    while (same < length && bytes[start + same] === text[at + same]) same++;
    if (same === length) return kinds[key]!;
  }
  return TEXT;
}

const LETTER_U = 0x75;

/** Bytes in UTF-8 of what four hexadecimal digits name; half of a surrogate pair has half of the four. */
function utf8Size(bytes: Buffer, at: number): number {
  const first = bytes[at]! | 0x20;
  const second = bytes[at + 1]!;
  if (first === 0x64 && second >= 0x38) return 2;
  // Digits are below all letters, '0' with 0x20 set is itself.
  if (bytes[at] !== 0x30) return 3;
  if (second > 0x37) return 3;
  if (second !== 0x30) return 2;
  return bytes[at + 2]! > 0x37 ? 2 : 1;
}
