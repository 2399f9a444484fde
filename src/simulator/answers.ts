import { exampleArguments } from './arguments.ts';
import type { Conversation, ToolSpec } from './conversation.ts';
import type { Directives } from './directives.ts';
import { countTokens, cutToTokens } from './tokens.ts';

/** A text and the places where a stream cuts it. */
export interface PiecedText {
  readonly text: string;
  /** End of each piece in UTF-16 units; the last one is the length of the text. */
  readonly ends: readonly number[];
}

export interface ToolCall {
  /** 16 hexadecimal digits; a dialect makes its own kind of id of it. */
  readonly id: string;
  readonly name: string;
  /** JSON, perhaps cut off by the token limit. */
  readonly arguments: PiecedText;
}

type FinishReason = 'stop' | 'length' | 'tool_calls';

/** What the model says. */
export interface Answer {
  readonly reasoning: PiecedText | null;
  /** Null beside tool calls. */
  readonly content: PiecedText | null;
  readonly toolCalls: readonly ToolCall[];
  readonly finish: FinishReason;
  /** What the client wanted the answer to stop at, if it has. */
  readonly stopSequence: string | null;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** Some of it outside ASCII, since real answers are, and since pieces of them get cut in two on the way. */
const WORDS = 'of the simulated vendor, made of plain wörds — 模型 🙂 and nothing more.'.split(' ');
const REASONING = 'The user wants an answer; it is known beforehand.';
const PAD_PIECE_BYTES = 256;
const ARGUMENT_PIECE = 12;

const NOTHING: PiecedText = { text: '', ends: [] };
const hex = (hash: bigint): string => hash.toString(16).padStart(16, '0');

/** Cuts at spaces: each piece but the last ends with one. */
function byWords(words: readonly string[]): PiecedText {
  const ends: number[] = [];
  let length = -1;
  for (const word of words) ends.push((length += word.length + 1) + 1);
  const text = words.join(' ');
  if (ends.length > 0) ends[ends.length - 1] = text.length;
  return { text, ends };
}

/** Cuts into `count` pieces of about the same length; between the halves of a character if it must be, but not of a surrogate pair. */
function evenly(text: string, count: number): PiecedText {
  const ends: number[] = [];
  for (let index = 1; index < count; index++) {
    let end = Math.floor((text.length * index) / count);
    const unit = text.charCodeAt(end);
    if (unit >= 0xdc_00 && unit <= 0xdf_ff) end--;
    ends.push(end);
  }
  ends.push(text.length);
  return { text, ends };
}

/** The same text ended early. */
function cut(pieced: PiecedText, maxTokens: number): PiecedText {
  const text = cutToTokens(pieced.text, maxTokens);
  if (text.length === pieced.text.length) return pieced;
  const ends = pieced.ends.filter((end) => end < text.length);
  return { text, ends: text === '' ? [] : [...ends, text.length] };
}

/** The same text ended before the first stop sequence in it. */
function stopped(pieced: PiecedText, sequences: readonly string[]): [PiecedText, string | null] {
  const first = sequences
    .map((sequence) => ({ sequence, at: pieced.text.indexOf(sequence) }))
    .filter(({ at }) => at !== -1)
    .sort((a, b) => a.at - b.at)[0];
  if (first === undefined) return [pieced, null];
  const { sequence, at } = first;
  const ends = at === 0 ? [] : [...pieced.ends.filter((end) => end < at), at];
  return [{ text: pieced.text.slice(0, at), ends }, sequence];
}

/** The text answer: a hash of the conversation, then words. */
function contentOf(conversation: Conversation, directives: Directives, choice: number): PiecedText {
  const head = [`Answer#${hex(conversation.hash)}`];
  if (choice > 0) head.push(`(${choice + 1})`);
  const { toolResults } = conversation;
  if (toolResults.length > 0) {
    const hash = Bun.hash.xxHash3(toolResults.join('\0'));
    head.push(`to ${toolResults.length} results#${hex(hash)}`);
  }
  const { chunks, size } = directives;
  const words = [...head, ...WORDS];
  while (words.length < chunks) words.push(WORDS[words.length % WORDS.length] ?? '');
  const all = byWords(chunks > 0 ? words.slice(0, chunks) : words);
  const missing = size - Buffer.byteLength(all.text);
  if (missing <= 0) return all;
  const padding = 'pad '.repeat(Math.ceil(missing / 4)).slice(0, missing);
  return evenly(all.text + padding, chunks > 0 ? chunks : Math.ceil(size / PAD_PIECE_BYTES));
}

/** The tools to call, none for a text answer. */
function toolsToCall(conversation: Conversation, directives: Directives): ToolSpec[] {
  const { askedText, callRounds, parallelToolCalls, toolChoice, toolResults, tools, userText } = conversation;
  if (tools.length === 0 || toolChoice === 'none') return [];
  const goesOn = toolResults.length > 0 && callRounds < directives.rounds;
  if (userText === null && !goesOn) return [];
  const named = typeof toolChoice === 'object' ? tools.filter((tool) => tool.name === toolChoice.name) : [];
  const mentioned = named.length > 0 ? named : tools.filter((tool) => askedText.includes(tool.name));
  const forced = toolChoice === 'required' || directives.tools > 0;
  const wanted = mentioned.length > 0 || !forced ? mentioned : tools;
  if (wanted.length === 0) return [];
  const count = parallelToolCalls ? Math.max(1, directives.tools) : 1;
  const called = count === 1 ? wanted.slice(0, 1) : wanted;
  return Array.from({ length: count }, (_, index) => called[index % called.length]!);
}

/** One of the answers a conversation gets: a function of the conversation, the directives and the number of the choice alone. */
export function answerTo(conversation: Conversation, directives: Directives, choice: number): Answer {
  let left = conversation.maxOutputTokens;
  let whole = true;
  const take = (pieced: PiecedText): PiecedText => {
    const taken = left === Infinity ? pieced : cut(pieced, left);
    if (taken !== pieced) whole = false;
    left = taken === pieced ? left - countTokens(taken.text) : 0;
    return taken;
  };

  const reasoning = conversation.thinking ? take(byWords(REASONING.split(' '))) : null;
  const toolCalls: ToolCall[] = [];
  let tokens = 0;
  for (const [index, tool] of toolsToCall(conversation, directives).entries()) {
    if (left <= 0) break;
    const json = exampleArguments(tool.schema, index + choice + conversation.callRounds);
    const pieces = directives.chunks > 0 ? directives.chunks : Math.ceil(json.length / ARGUMENT_PIECE);
    left -= countTokens(tool.name);
    tokens += countTokens(tool.name);
    const taken = left > 0 ? take(evenly(json, pieces)) : NOTHING;
    const id = hex(Bun.hash.xxHash3(`${choice}.${index}`, conversation.hash));
    toolCalls.push({ id, name: tool.name, arguments: taken });
    tokens += countTokens(taken.text);
  }
  let content: PiecedText | null = null;
  let stopSequence: string | null = null;
  if (toolCalls.length === 0) {
    const said = contentOf(conversation, directives, choice);
    const [text, sequence] = stopped(said, conversation.stopSequences);
    content = take(text);
    if (content === text) stopSequence = sequence;
  }
  const reasoningTokens = reasoning === null ? 0 : countTokens(reasoning.text);
  tokens += reasoningTokens + (content === null ? 0 : countTokens(content.text));
  const finish = toolCalls.length > 0 ? 'tool_calls' : 'stop';
  return {
    reasoning,
    content,
    toolCalls,
    finish: whole && left >= 0 ? finish : 'length',
    stopSequence,
    outputTokens: tokens,
    reasoningTokens,
  };
}
