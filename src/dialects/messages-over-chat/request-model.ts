/** What the conversion must know of a model that is spoken to in Chat Completions, by its name. */
export interface ChatModel {
  /** One of OpenAI's own, wherever it is served. */
  readonly openai: boolean;
  /** Thinks, and takes `reasoning_effort`. Of models that are not OpenAI's that is presumed: servers ignore the field. */
  readonly reasoning: boolean;
  /** Efforts it does not take, and what is nearest to each. */
  readonly effortInstead: Readonly<Record<string, string>>;
  /** Takes `prompt_cache_breakpoint` on parts: OpenAI from GPT-5.6 on. */
  readonly breakpoints: boolean;
  /** A call without text has `content: ""`, not null. */
  readonly emptyContent: boolean;
  /** Stop sequences at most. */
  readonly maxStops: number;
}

const O_SERIES = /^o\d/;
const GPT = /^gpt-(\d+)(?:\.(\d+))?(?![\d.])/;
const NEVER_THINKS = /^(?:chatgpt-|gpt-\d+(?:\.\d+)?-chat)/;

/** OpenAI guide "Reasoning models": efforts have grown from generation to generation. */
const O_SERIES_EFFORTS = { none: 'low', minimal: 'low', xhigh: 'high', max: 'high' } as const;
const GPT_5_EFFORTS = { none: 'minimal', xhigh: 'high', max: 'high' } as const;
const GPT_5_1_EFFORTS = { xhigh: 'high', max: 'high' } as const;
const ALL_EFFORTS = {} as const;

/** `name` as sent to the vendor; a prefix up to the last slash (`openai/`) does not count. */
export function chatModel(name: string): ChatModel {
  const plain = name.slice(name.lastIndexOf('/') + 1).toLowerCase();
  const gpt = GPT.exec(plain);
  const version = gpt === null ? 0 : Number(gpt[1]) * 100 + Number(gpt[2] ?? 0);
  const oSeries = O_SERIES.test(plain);
  const neverThinks = NEVER_THINKS.test(plain);
  const openai = gpt !== null || oSeries || neverThinks;
  const deepseek = plain.startsWith('deepseek');
  return {
    openai,
    reasoning: !openai || (!neverThinks && (oSeries || version >= 500)),
    effortInstead: oSeries
      ? O_SERIES_EFFORTS
      : version === 500
        ? GPT_5_EFFORTS
        : version === 501
          ? GPT_5_1_EFFORTS
          : ALL_EFFORTS,
    breakpoints: version >= 506,
    emptyContent: deepseek,
    maxStops: deepseek ? 16 : 4,
  };
}
