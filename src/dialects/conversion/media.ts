import type { JsonDocument } from '../../std/json/document.ts';
import type { CanonicalWriter } from '../../std/json/writer.ts';

/** What Anthropic takes as an image; OpenAI takes the same. */
export const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'] as const;
export const PDF_TYPE = 'application/pdf';
export const IMAGE_TYPES_IN_WORDS = 'JPEG, PNG, GIF and WebP images are taken.';

/** A `data:` URL has its header within this many bytes. */
const HEADER_MAX = 256;
const DATA_URL = /^data:([^;,]*)(?:;[^;,]*)*?(;base64)?,/i;
const WEB_URL = /^https?:\/\//i;

/** A URL string of a document, told apart by what it begins with. The data itself is never decoded. */
export interface MediaUrl {
  readonly kind: 'data' | 'web' | 'other';
  /** Of a `data:` URL: its media type in lower case, and whether its data is base64. */
  readonly mediaType: string;
  readonly base64: boolean;
  /** Where the data begins in the document's bytes; -1 where its header is spelled with escapes. */
  readonly dataStart: number;
  /** The data, where `dataStart` is -1. */
  readonly data: string;
}

const NO_DATA = { mediaType: '', base64: false, dataStart: -1, data: '' } as const;

/** Looks at a string node that holds a URL. */
export function mediaUrl(document: JsonDocument, node: number): MediaUrl {
  const start = document.start(node) + 1;
  const headEnd = Math.min(document.end(node) - 1, start + HEADER_MAX);
  const head = Buffer.prototype.latin1Slice.call(document.bytes, start, headEnd);
  // An escape in the data leaves the header readable: only one before its end is a matter of spelling.
  const comma = head.indexOf(',');
  const escaped = (comma < 0 ? head : head.slice(0, comma)).includes('\\');
  const text = escaped ? document.text(node) : head;
  if (WEB_URL.test(text)) return { kind: 'web', ...NO_DATA };
  const match = DATA_URL.exec(text);
  if (match === null) return { kind: 'other', ...NO_DATA };
  const [header, type = '', base64] = match;
  return {
    kind: 'data',
    mediaType: plainType(type.toLowerCase()),
    base64: base64 !== undefined,
    dataStart: escaped ? -1 : start + header.length,
    data: escaped ? text.slice(header.length) : '',
  };
}

/** A name that is in use for JPEG, but in no register. */
const plainType = (type: string): string => (type === 'image/jpg' ? 'image/jpeg' : type);

/** Writes `{"type":"base64","media_type":…,"data":…}`: the data as the client spelled it. */
export function writeBase64Source(
  writer: CanonicalWriter,
  document: JsonDocument,
  node: number,
  url: MediaUrl,
): void {
  writer.ascii(`{"type":"base64","media_type":"${url.mediaType}","data":`);
  if (url.dataStart < 0) writer.string(url.data);
  else {
    writer.ascii('"');
    writer.raw(document.bytes, url.dataStart, document.end(node));
  }
  writer.ascii('}');
}
