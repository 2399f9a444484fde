import type { ImageSize } from '../std/image-size.ts';
import { NameMemo } from '../std/name-memo.ts';

/** Squares of so many pixels a side, each so many tokens, of which so many are looked at: larger pictures are made smaller. */
interface Patches {
  readonly side: number;
  readonly factor: number;
  readonly most: number;
  /** Where the client asks for `detail: original`. */
  readonly mostOriginal?: number;
}

/** The picture is fitted into a square of 2,048, its short side into 768; then every square of 512 counts. */
interface Tiles {
  readonly base: number;
  readonly tile: number;
}

type Rule = Patches | Tiles;

const TILE = 512;
const LONG_SIDE = 2_048;
const SHORT_SIDE = 768;
const MOST_TILES = Math.ceil(LONG_SIDE / TILE) * Math.ceil(SHORT_SIDE / TILE);

/**
 * What pictures count, by model: the vendors' guides (Anthropic "Vision", OpenAI "Images and vision"). The first that
 * matches holds. Where a vendor's guide and its bills differ, this is the dearer one.
 */
const RULES: readonly (readonly [model: RegExp, rule: Rule])[] = [
  // Up to 1,568 pixels a side; since Opus 4.7 up to 2,576.
  [/claude-(?:[123]|instant|(?:opus|sonnet|haiku)-4(?!-[789]))/, { side: 28, factor: 1, most: 1_600 }],
  [/claude/, { side: 28, factor: 1, most: 4_784 }],
  [/gpt-4o-mini/, { base: 2_833, tile: 5_667 }],
  [/gpt-4\.1-nano/, { side: 32, factor: 2.46, most: 1_536 }],
  [/gpt-4\.1-mini|gpt-5(?:\.\d+)?-(?:mini|nano)/, { side: 32, factor: 1.62, most: 1_536 }],
  [/o4-mini/, { side: 32, factor: 1.72, most: 1_536 }],
  [/gpt-5(?:-|$)/, { base: 70, tile: 140 }],
  [/gpt-(?:5\.[23]|5\.1)/, { side: 32, factor: 1.2, most: 1_536 }],
  [/gpt-(?:5|[6-9])/, { side: 32, factor: 1.2, most: 2_500, mostOriginal: 10_000 }],
  [/(?:^|\/)o[13]/, { base: 75, tile: 150 }],
  [/gpt-4|chatgpt/, { base: 85, tile: 170 }],
];

/** What is known of no other model: the finest that is in use. */
const OTHERS: Patches = { side: 28, factor: 1, most: 4_784 };

const CACHE_LIMIT = 256;
const rules = new NameMemo<Rule>(
  CACHE_LIMIT,
  (model) => RULES.find(([name]) => name.test(model))?.[1] ?? OTHERS,
);

/** What a picture of any size counts at most. `detail` is the client's wish, '' for none. */
export function imageTokensAtMost(model: string, detail = ''): number {
  const rule = rules.get(model);
  if ('tile' in rule) return rule.base + (detail === 'low' ? 0 : MOST_TILES * rule.tile);
  const most = detail === 'original' ? (rule.mostOriginal ?? rule.most) : rule.most;
  return Math.ceil(most * rule.factor);
}

/** What a picture counts; the most that one can where its size is not known (null). */
export function imageTokens(model: string, size: ImageSize | null, detail = ''): number {
  const most = imageTokensAtMost(model, detail);
  if (size === null) return most;
  const rule = rules.get(model);
  if ('tile' in rule) return Math.min(most, rule.base + tilesOf(size) * rule.tile);
  const patches = Math.ceil(size.width / rule.side) * Math.ceil(size.height / rule.side);
  return Math.min(most, Math.ceil(patches * rule.factor));
}

function tilesOf({ height, width }: ImageSize): number {
  const fitted = Math.min(1, LONG_SIDE / Math.max(width, height));
  const scale = Math.min(fitted, SHORT_SIDE / Math.min(width, height));
  return Math.ceil((width * scale) / TILE) * Math.ceil((height * scale) / TILE);
}
