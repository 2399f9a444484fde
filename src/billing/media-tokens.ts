/**
 * What sound, films and files count that are no text, by the bytes of their base64. Each has two figures: what it probably
 * counts, and what it counts at most, for holds. A file may be packed tighter than that, but its vendor's own limits (pages,
 * seconds, the model's context) bound what it can cost.
 */
export interface MediaTokens {
  readonly tokens: number;
  readonly atMost: number;
}

/** A page of a PDF is read as text and seen as a picture (Anthropic guide "PDF support": 1,500 to 3,000 tokens of text). */
const PAGE_TOKENS = 3_000;
/** Of base64; between pages of text, which have less, and scanned ones, which have more. */
const PAGE_BYTES = 100_000;
/** A page of nothing but text, packed. */
const DENSE_PAGE_BYTES = 20_000;
/** Nobody reads more in a request (Anthropic guide "PDF support": 600 pages, 100 where the context is small). */
const MOST_PAGES = 600;
/** Pages of a file that is not in the request. */
const UNSEEN_PAGES = 10;

/** OpenAI guide "Audio": a token for 100 ms. */
const SOUND_TOKENS_PER_S = 10;
/** Gemini guide "Video understanding": 258 for a picture a second, and 32 for the sound. */
const FILM_TOKENS_PER_S = 290;
/** Of base64: speech at 64 kbit/s, a film at 1 Mbit/s; and both at a quarter of that. */
const SOUND_BYTES_PER_S = 10_700;
const FILM_BYTES_PER_S = 167_000;
const DENSEST = 4;
/** 16 bits, 24,000 times a second, in base64. */
const RAW_SOUND_BYTES_PER_S = 64_000;
const UNSEEN_SECONDS = 60;

/** A PDF, by the bytes of its base64; null: it is not in the request. */
export function fileTokens(bytes: number | null): MediaTokens {
  if (bytes === null) return { tokens: UNSEEN_PAGES * PAGE_TOKENS, atMost: UNSEEN_PAGES * PAGE_TOKENS };
  return { tokens: tokensOfPages(bytes, PAGE_BYTES), atMost: tokensOfPages(bytes, DENSE_PAGE_BYTES) };
}

/** What all files of a request count at most. */
export const MOST_FILE_TOKENS = MOST_PAGES * PAGE_TOKENS;

const tokensOfPages = (bytes: number, ofPage: number): number =>
  Math.min(MOST_FILE_TOKENS, Math.ceil(bytes / ofPage) * PAGE_TOKENS);

/** Sound, by the bytes of its base64; `raw`: samples as they are, as in a WAV file. */
export const soundTokens = (bytes: number | null, raw = false): MediaTokens =>
  timed(bytes, raw ? RAW_SOUND_BYTES_PER_S : SOUND_BYTES_PER_S, SOUND_TOKENS_PER_S);

/** A film, by the bytes of its base64. */
export const filmTokens = (bytes: number | null): MediaTokens =>
  timed(bytes, FILM_BYTES_PER_S, FILM_TOKENS_PER_S);

function timed(bytes: number | null, bytesPerS: number, tokensPerS: number): MediaTokens {
  const tokens = Math.ceil((bytes === null ? UNSEEN_SECONDS : bytes / bytesPerS) * tokensPerS);
  return { tokens, atMost: tokens * DENSEST };
}
