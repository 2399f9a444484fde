import { tokensOfBytes } from '../billing/estimate.ts';
import { Kind, type JsonDocument } from '../std/json/document.ts';

/** What a picture of any size counts at most: larger ones are made smaller (Anthropic guide "Vision"). */
const IMAGE_TOKENS = 1_600;

/** A page of a PDF is read as text and seen as a picture (Anthropic guide "PDF support": 1,500 to 3,000 tokens of text). */
const PAGE_TOKENS = 3_000;
/** Of base64; between pages of text, which have less, and scanned ones, which have more. */
const PAGE_BYTES = 100_000;

/** Tokens of a Messages request whose vendor counts none: by its bytes, pictures by their number, PDFs by their pages. */
export function estimateTokens(document: JsonDocument): number {
  let media = 0;
  let mediaBytes = 0;
  for (let node = 0; node < document.count; node++) {
    if (document.kind(node) !== Kind.Object) continue;
    const type = stringMember(document, node, 'media_type');
    const data = stringMember(document, node, 'data');
    if (type < 0 || data < 0) continue;
    const bytes = document.end(data) - document.start(data);
    const tokens = mediaTokens(document.text(type), bytes);
    if (tokens === 0) continue;
    media += tokens;
    mediaBytes += bytes;
  }
  return tokensOfBytes(document.bytes.byteLength - mediaBytes) + media;
}

/** Tokens of what stands in the request itself (`{type: "base64", media_type: "image/…", data}`); 0 for what is text. */
function mediaTokens(type: string, bytes: number): number {
  if (type.startsWith('image/')) return IMAGE_TOKENS;
  return type === 'application/pdf' ? Math.ceil(bytes / PAGE_BYTES) * PAGE_TOKENS : 0;
}

function stringMember(document: JsonDocument, object: number, name: string): number {
  const value = document.member(object, name);
  return value >= 0 && document.kind(value) === Kind.String ? value : -1;
}
