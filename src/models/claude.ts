import { NameMemo } from '../std/name-memo.ts';

/** What a Claude model takes and refuses. Facts of the vendor's model pages and migration guides. */
export interface ClaudeModel {
  /** Takes values of `temperature`, `top_p` and `top_k` other than the default. */
  readonly samplingParameters: boolean;
  /** Takes `temperature` and `top_p` in one request; only meaningful where {@link samplingParameters} are taken. */
  readonly temperatureWithTopP: boolean;
  /**
   * How thinking is asked for. `adaptive`: effort steers it and `budget_tokens` is a 400. `budget`: `budget_tokens`.
   * `none`: the model does not think, and `thinking` is a 400.
   */
  readonly thinking: 'adaptive' | 'budget' | 'none';
  /**
   * How far thinking can be turned off: wholly, wholly while effort is at most `high`, down to notes between tool calls,
   * or not at all.
   */
  readonly lowestThinking: 'disabled' | 'disabled_up_to_high' | 'between_tools' | 'always';
  /** Takes `tool_choice` `any` and `tool`. */
  readonly forcedToolChoice: boolean;
  /** The last message may be the assistant's. */
  readonly prefill: boolean;
  /** Takes messages of the role `system` among the others. */
  readonly lateSystem: boolean;
  /** The signature of a thinking block is bound to the conversation before it: a changed byte is a 400. */
  readonly boundThinking: boolean;
  /** Effort where the request names none. */
  readonly defaultEffort: 'medium' | 'high';
  /** What it writes at most; for a name that is not known, what such a model is taken to write. */
  readonly maxOutputTokens: number;
  /** A `max_tokens` above it is a 400; null: not known. */
  readonly outputCap: number | null;
  /** Shorter prefixes are not cached, without a word. */
  readonly minCacheTokens: number;
}

type Family = 'opus' | 'sonnet' | 'haiku' | 'fable' | 'mythos';

/** The version as one number, 100 × major + minor: 4.8 is 408. */
type Version = number;

/** The newest that the model pages name. */
const LATEST: Version = 505;

const FAMILY_FIRST = /claude-(opus|sonnet|haiku|fable|mythos)-(\d{1,2})(?:-(\d{1,2}))?(?!\d)/;
const VERSION_FIRST = /claude-(\d{1,2})(?:-(\d{1,2}))?-(opus|sonnet|haiku|fable|mythos)/;
/** Versions one and two had no families, and none of what later ones were given. */
const NAMELESS = /claude-(?:instant|[12](?!\d))/;
const PREVIEW = /claude-mythos-preview/;

/** What a name that is not known is taken for: a model of the newest kind. Nothing here is a 400 on an older one. */
const NEWEST: ClaudeModel = {
  samplingParameters: false,
  temperatureWithTopP: false,
  thinking: 'adaptive',
  lowestThinking: 'always',
  forcedToolChoice: false,
  prefill: false,
  lateSystem: true,
  boundThinking: true,
  defaultEffort: 'high',
  maxOutputTokens: 128_000,
  outputCap: null,
  minCacheTokens: 512,
};

const CACHE_LIMIT = 256;
const models = new NameMemo<ClaudeModel>(CACHE_LIMIT, readName);

/**
 * What a model can do, by its name as sent to the vendor: dated or not, with or without a prefix (`anthropic/`,
 * `us.anthropic.`), version and family in either order, dots or hyphens in the version. Names that are not known are
 * taken for a model of the newest kind.
 */
export function claudeModel(name: string): ClaudeModel {
  return models.get(name);
}

function readName(name: string): ClaudeModel {
  const plain = name.toLowerCase().replaceAll('.', '-');
  const familyFirst = FAMILY_FIRST.exec(plain);
  if (familyFirst !== null)
    return capabilities(familyFirst[1] as Family, versionOf(familyFirst[2], familyFirst[3]));
  const versionFirst = VERSION_FIRST.exec(plain);
  if (versionFirst !== null)
    return capabilities(versionFirst[3] as Family, versionOf(versionFirst[1], versionFirst[2]));
  if (PREVIEW.test(plain)) return { ...capabilities('mythos', 500), lateSystem: false };
  return NAMELESS.test(plain) ? capabilities('opus', 200) : NEWEST;
}

const versionOf = (major: string | undefined, minor: string | undefined): Version =>
  Number(major) * 100 + Number(minor ?? 0);

/** The families' first versions with a property; a family that is not named has it from the start or never. */
function capabilities(family: Family, version: Version): ClaudeModel {
  const top = family === 'fable' || family === 'mythos';
  const from = (first: Partial<Record<Family, Version>>): boolean => version >= (first[family] ?? Infinity);
  const adaptive = top || from({ opus: 407, sonnet: 500, haiku: 505 });
  const bound = from({ opus: 505, sonnet: 505, haiku: 505, fable: 501, mythos: 501 });
  return {
    samplingParameters: !adaptive,
    temperatureWithTopP: !adaptive && version < 401,
    thinking: adaptive ? 'adaptive' : version >= 307 ? 'budget' : 'none',
    lowestThinking: lowestThinking(family, version),
    forcedToolChoice: !from({ opus: 505, sonnet: 505, fable: 501, mythos: 501 }),
    prefill: version < 406,
    lateSystem: top || from({ opus: 408, sonnet: 505, haiku: 505 }),
    boundThinking: bound,
    defaultEffort: from({ opus: 505, haiku: 505 }) ? 'medium' : 'high',
    maxOutputTokens: maxOutputTokens(family, version),
    outputCap: hasKnownCap(version) ? maxOutputTokens(family, version) : null,
    minCacheTokens: minCacheTokens(family, version),
  };
}

function lowestThinking(family: Family, version: Version): ClaudeModel['lowestThinking'] {
  if (family === 'fable' || family === 'mythos') return 'always';
  if (version >= 505) {
    if (family === 'opus') return 'always';
    return family === 'sonnet' ? 'between_tools' : 'disabled_up_to_high';
  }
  return family === 'opus' && version >= 500 ? 'disabled_up_to_high' : 'disabled';
}

function maxOutputTokens(family: Family, version: Version): number {
  if (version >= 406) return 128_000;
  if (version >= 400) return family === 'opus' && version < 405 ? 32_000 : 64_000;
  if (version >= 307) return 64_000;
  return version >= 305 ? 8192 : 4096;
}

/** Claude 3.7's has a beta header that doubles it (`output-128k-2025-02-19`); later versions are not out. */
const hasKnownCap = (version: Version): boolean => version !== 307 && version <= LATEST;

/** The minimum has gone up and down: it follows no rule but the vendor's table. */
function minCacheTokens(family: Family, version: Version): number {
  if (family === 'fable' || family === 'mythos' || version >= 505) return 512;
  if (family === 'sonnet') return 1024;
  if (family === 'haiku') return version >= 400 ? 4096 : 2048;
  if (version >= 500) return 512;
  if (version >= 408) return 1024;
  if (version === 407) return 2048;
  return version >= 405 ? 4096 : 1024;
}
