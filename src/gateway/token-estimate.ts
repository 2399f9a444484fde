import { tokensOfBytes } from '../billing/estimate.ts';
import { Kind, type JsonDocument } from '../std/json/document.ts';

/** What a picture of any size counts at most: larger ones are made smaller (Anthropic guide "Vision"). */
const IMAGE_TOKENS = 1_600;

/** Tokens of a Messages request whose vendor counts none: by its bytes, pictures by their number. */
export function estimateTokens(document: JsonDocument): number {
  let images = 0;
  let imageBytes = 0;
  for (let node = 0; node < document.count; node++) {
    if (document.kind(node) !== Kind.Object) continue;
    const data = imageData(document, node);
    if (data < 0) continue;
    images++;
    imageBytes += document.end(data) - document.start(data);
  }
  return tokensOfBytes(document.bytes.byteLength - imageBytes) + images * IMAGE_TOKENS;
}

/** The bytes of a picture that stands in the request itself (`{type: "base64", media_type: "image/…", data}`); -1 elsewhere. */
function imageData(document: JsonDocument, source: number): number {
  const media = document.member(source, 'media_type');
  if (media < 0 || document.kind(media) !== Kind.String) return -1;
  if (!document.text(media).startsWith('image/')) return -1;
  const data = document.member(source, 'data');
  return data >= 0 && document.kind(data) === Kind.String ? data : -1;
}
