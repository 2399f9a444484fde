import type { Answer } from './answers.ts';
import type { Usage } from './bill.ts';
import type { Conversation } from './conversation.ts';
import type { AnswerFrame, Dialect } from './dialects/types.ts';
import { NO_DIRECTIVES } from './directives.ts';

/** Every fast answer is billed so many tokens, whatever its length. */
export const FAST_OUTPUT_TOKENS = 16;
const TEXT = 'This is an answer of the simulated vendor, made of plain words.';
/** What each content chunk says. */
export const FAST_WORD = 'word ';

/** Stand-ins: an id, and numbers that no real count is. */
const ID = 'fa57fa57fa57fa57';
const PROMPT_TOKENS = 900_000_001;
const TOTAL_TOKENS = PROMPT_TOKENS + FAST_OUTPUT_TOKENS;

const ANSWER: Answer = {
  reasoning: null,
  content: { text: TEXT, ends: [TEXT.length] },
  toolCalls: [],
  finish: 'stop',
  stopSequence: null,
  outputTokens: FAST_OUTPUT_TOKENS,
  reasoningTokens: 0,
};

const CONVERSATION = {
  hash: 0n,
  userText: null,
  toolResults: [],
  askedText: '',
  callRounds: 0,
  tools: [],
  toolChoice: 'none',
  parallelToolCalls: false,
  thinking: false,
  thinkingBlocks: null,
  choices: 1,
  maxOutputTokens: Infinity,
  maxPromptTokens: Infinity,
  stopSequences: [],
  stream: true,
  obfuscation: false,
} as const satisfies Partial<Conversation>;

/** A text with holes: even entries are text, odd ones say what belongs there. */
type Holed = readonly string[];

/** Fills the holes: the answer's id, tokens of the prompt and of all. */
export function fill(pieces: Holed, answerId: string, promptTokens: number): string {
  let text = pieces[0] ?? '';
  for (let index = 1; index < pieces.length; index += 2) {
    const hole = pieces[index];
    if (hole === ID) text += answerId;
    else text += hole === 'prompt' ? promptTokens : promptTokens + FAST_OUTPUT_TOKENS;
    text += pieces[index + 1] ?? '';
  }
  return text;
}

/** Events of a stream: the opening one, a word, and all that follows the last word. */
interface StreamTemplate {
  readonly start: Holed;
  readonly word: Holed;
  readonly end: Holed;
}

/**
 * The answers of one model, written once by its dialect with stand-ins for id and token counts and cut there: so they cannot
 * drift apart from those of the full simulator, and cost no more than joining strings.
 */
export interface FastTemplate {
  readonly dialect: Dialect;
  readonly whole: Holed;
  readonly stream: StreamTemplate;
  /** Where the client wants to know the usage. */
  readonly streamWithUsage: StreamTemplate;
}

export function fastTemplate(model: string, dialect: Dialect): FastTemplate {
  const usage: Usage = {
    prompt: PROMPT_TOKENS,
    cached: 0,
    written: 0,
    writtenLong: 0,
    output: FAST_OUTPUT_TOKENS,
    reasoning: 0,
  };
  const frame = (streamUsage: boolean): AnswerFrame => ({
    id: ID,
    model,
    usage,
    conversation: { ...CONVERSATION, model, streamUsage },
    directives: NO_DIRECTIVES,
  });
  const standIn = dialect.answerId(ID);
  const holes = new RegExp(`(${standIn}|${PROMPT_TOKENS}|${TOTAL_TOKENS})`);
  const names: ReadonlyMap<string, string> = new Map([
    [standIn, ID],
    [String(PROMPT_TOKENS), 'prompt'],
    [String(TOTAL_TOKENS), 'total'],
  ]);
  const holed = (text: string): Holed =>
    text.split(holes).map((piece, index) => (index % 2 === 0 ? piece : (names.get(piece) ?? '')));
  const streamTemplate = (streamUsage: boolean): StreamTemplate => {
    const writer = dialect.answer(frame(streamUsage));
    return {
      start: holed(writer.event({ choice: 0, kind: 'start', answer: ANSWER }, false)),
      word: holed(writer.event({ choice: 0, kind: 'text', text: FAST_WORD }, false)),
      end: holed(writer.event({ choice: 0, kind: 'finish', answer: ANSWER }, true) + writer.ending()),
    };
  };
  return {
    dialect,
    whole: holed(dialect.answer(frame(false)).whole([ANSWER])),
    stream: streamTemplate(false),
    streamWithUsage: streamTemplate(true),
  };
}
