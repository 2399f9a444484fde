/** Width and height in pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** So much of the base64 is looked at: a JPEG has its size behind a preview and a colour profile, of 64 KiB each at most. */
const HEAD_CHARS = 192 * 1024;
/** Of the other kinds this holds all that is needed. */
const SHORT_CHARS = 64;
/** What these decode to. */
const HEAD = Buffer.alloc(48);

/** What the kinds begin with. */
const PNG = 0x89504e47;
const GIF8 = 0x47494638;
const RIFF = 0x52494646;
const WEBP = 0x57454250;

/**
 * The size of a picture, `bytes[start, end)`, base64 of a PNG, GIF, WebP or JPEG, by its first bytes; null where they do not
 * tell. Nothing of the picture itself is decoded.
 */
export function imageSize(bytes: Uint8Array, start: number, end: number): ImageSize | null {
  const length = decodeTo(HEAD, bytes, start, Math.min(end, start + SHORT_CHARS));
  if (length < 24) return null;
  switch (HEAD.readUInt32BE(0)) {
    case PNG:
      return sized(HEAD.readUInt32BE(16), HEAD.readUInt32BE(20));
    case GIF8:
      return sized(HEAD.readUInt16LE(6), HEAD.readUInt16LE(8));
    case RIFF:
      return HEAD.readUInt32BE(8) === WEBP && length >= 30 ? webpSize(HEAD) : null;
    default:
  }
  if (HEAD.readUInt16BE(0) !== 0xffd8) return null;
  const chars = Math.min(end - start, HEAD_CHARS);
  const head = Buffer.allocUnsafe(Math.ceil(chars * 0.75));
  return jpegSize(head.subarray(0, decodeTo(head, bytes, start, start + chars)));
}

/** What is no base64 (a slash that JSON has escaped) is left out by the decoder. */
const decodeTo = (out: Buffer, bytes: Uint8Array, start: number, end: number): number =>
  out.write(Buffer.prototype.latin1Slice.call(bytes, start, end), 'base64');

const sized = (width: number, height: number): ImageSize | null =>
  width > 0 && height > 0 ? { width, height } : null;

/** The three forms of a WebP file (RFC 9649 §2.5–2.7). */
function webpSize(head: Buffer): ImageSize | null {
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return sized(head.readUInt16LE(26) & 0x3fff, head.readUInt16LE(28) & 0x3fff);
    case 'VP8L': {
      const bits = head.readUInt32LE(21);
      return sized((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
    }
    case 'VP8X':
      return sized(head.readUIntLE(24, 3) + 1, head.readUIntLE(27, 3) + 1);
    default:
      return null;
  }
}

/** The frame header (ITU-T T.81 §B.2.2), whatever segments stand before it. */
function jpegSize(head: Buffer): ImageSize | null {
  let at = 2;
  while (at + 9 <= head.length) {
    if (head[at] !== 0xff) return null;
    const marker = head[at + 1]!;
    // Any number of these may stand before a marker.
    if (marker === 0xff) {
      at++;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return sized(head.readUInt16BE(at + 7), head.readUInt16BE(at + 5));
    // The picture itself begins, without a frame.
    if (marker === 0xda || marker === 0xd9) return null;
    at += 2 + head.readUInt16BE(at + 2);
  }
  return null;
}
