import { type EffortInstead, gptModel, type ToolRule } from '../../models/gpt.ts';
import { plainName } from '../../models/names.ts';
import { outputCap } from '../../models/output-caps.ts';
import { claudeModel } from '../../models/claude.ts';
import { NameMemo } from '../../std/name-memo.ts';

/** What the conversion must know of a model that is spoken to in Chat Completions, by its name. */
export interface ChatModel {
  /** One of OpenAI's own, wherever it is served. */
  readonly openai: boolean;
  /** Thinks, and takes `reasoning_effort`. Of models that are not OpenAI's that is presumed: servers ignore the field. */
  readonly reasoning: boolean;
  /** Efforts it does not take, and what is nearest to each. */
  readonly effortInstead: EffortInstead;
  /** Which effort OpenAI's own Chat Completions takes beside tools. */
  readonly tools: ToolRule;
  /** Takes `prompt_cache_breakpoint` on parts: OpenAI from GPT-5.6 on. */
  readonly breakpoints: boolean;
  /** A call without text has `content: ""`, not null. */
  readonly emptyContent: boolean;
  /** Stop sequences at most; 0: it refuses the field. */
  readonly maxStops: number;
  /** Tokens it writes at most, and a higher bound is refused; null: not known. */
  readonly outputCap: number | null;
}

const ALL_EFFORTS: EffortInstead = {};

const CACHE_LIMIT = 256;
const models = new NameMemo<ChatModel>(CACHE_LIMIT, readName);

/** `name` as sent to the vendor; a prefix up to the last slash (`openai/`) does not count. */
export const chatModel = (name: string): ChatModel => models.get(name);

function readName(name: string): ChatModel {
  const plain = plainName(name);
  const gpt = gptModel(plain);
  const deepseek = plain.startsWith('deepseek');
  return {
    openai: gpt !== null,
    reasoning: gpt === null || gpt.thinks,
    effortInstead: gpt?.effortInstead ?? ALL_EFFORTS,
    tools: gpt?.tools ?? 'any_effort',
    breakpoints: gpt?.breakpoints ?? false,
    emptyContent: deepseek,
    maxStops: deepseek ? 16 : gpt?.stops === false ? 0 : 4,
    outputCap: plain.includes('claude-') ? claudeModel(plain).outputCap : outputCap(plain),
  };
}
