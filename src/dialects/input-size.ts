import type { InputSize } from '../billing/estimate.ts';
import { imageTokens, imageTokensAtMost } from '../models/image-tokens.ts';
import {
  fileTokens,
  filmTokens,
  MOST_FILE_TOKENS,
  soundTokens,
  type MediaTokens,
} from '../billing/media-tokens.ts';
import { imageSize } from '../std/image-size.ts';
import { COMMA } from '../std/json/bytes.ts';
import { Kind, type JsonDocument } from '../std/json/document.ts';
import { mediaUrl, PDF_TYPE } from './conversion/media.ts';
import { memberOf, textOf } from './raw-text.ts';
import type { RequestFacts } from './request-facts.ts';

/** Blocks nest by results of tools and documents of blocks; deeper than this nobody takes them. */
const MAX_NESTING = 8;
/** A message below this has nothing beside its content that is worth a look. */
const LARGE_MESSAGE_BYTES = 16_384;
const SVG_TYPE = 'image/svg+xml';

// Of the request that is being measured; a run is synchronous.
let model = '';
let tokens = 0;
let atMost = 0;
/** Of files, which are read up to a number of pages. */
let filesAtMost = 0;
/** Of base64 that is no text. */
let bytes = 0;

/**
 * How large a request is, in either dialect, for holds and estimates; `model` as the vendor knows it.
 *
 * Pictures, sound and files count as what they are, but only where the vendor takes them for that: in a content part of the
 * right type, as base64 of the right kind. Whatever only looks like one (a data URL in a text, in arguments or in a result
 * of a tool, a text document) is read by the model as text, and counts as text. What stands behind a URL or an id has no
 * bytes here, and counts all the same.
 *
 * A part that is text costs a look at its type.
 */
export function inputSizeOf(document: JsonDocument, request: RequestFacts, upstreamModel: string): InputSize {
  begin(upstreamModel);
  const { media, messages, parts } = request;
  const measured = media ? messages.length : 0;
  for (let index = 0; index < measured; index++) {
    if (parts.at(index) >= 0) measureParts(document, parts.at(index), 0);
    measureOwn(document, messages.at(index));
  }
  return sizeOf(document);
}

/** {@link inputSizeOf} for a request of which nothing is known but that it has an array of messages. */
export function inputSizeOfMessages(
  document: JsonDocument,
  messages: number,
  upstreamModel: string,
): InputSize {
  begin(upstreamModel);
  const end = document.next(messages);
  for (let message = messages + 1; message < end; message = document.next(message)) {
    measureContent(document, memberOf(document, message, 'content'), 0);
    measureOwn(document, message);
  }
  return sizeOf(document);
}

function begin(upstreamModel: string): void {
  model = upstreamModel;
  tokens = atMost = filesAtMost = bytes = 0;
}

const sizeOf = (document: JsonDocument): InputSize => ({
  textBytes: document.bytes.byteLength - bytes,
  mediaTokens: tokens,
  mediaTokensAtMost: atMost + Math.min(filesAtMost, MOST_FILE_TOKENS),
});

function add(counted: MediaTokens, ofBytes: number): void {
  tokens += counted.tokens;
  atMost += counted.atMost;
  bytes += ofBytes;
}

function addFileOf(size: number | null): void {
  const counted = fileTokens(size);
  tokens += counted.tokens;
  filesAtMost += counted.atMost;
  bytes += size ?? 0;
}

/** Pictures that an assistant made stand beside its content (OpenRouter guide "Image generation"). */
function measureOwn(document: JsonDocument, message: number): void {
  if (document.end(message) - document.start(message) < LARGE_MESSAGE_BYTES) return;
  const images = memberOf(document, message, 'images');
  if (images >= 0 && document.kind(images) === Kind.Array) measureParts(document, images, 0);
}

function measureContent(document: JsonDocument, content: number, nesting: number): void {
  if (content < 0 || nesting > MAX_NESTING) return;
  const kind = document.kind(content);
  if (kind === Kind.Array) measureParts(document, content, nesting);
  else if (kind === Kind.Object) measurePart(document, content, nesting);
}

function measureParts(document: JsonDocument, array: number, nesting: number): void {
  const end = document.next(array);
  for (let part = array + 1; part < end; part = document.next(part))
    if (document.kind(part) === Kind.Object) measurePart(document, part, nesting);
}

/** Value node of `type`, which is the first key as a rule; -1 where it is no string. */
function typeOf(document: JsonDocument, part: number): number {
  const end = document.next(part);
  for (let key = part + 1; key < end; key = document.next(key + 1))
    if (document.textEquals(key, 'type')) return document.kind(key + 1) === Kind.String ? key + 1 : -1;
  return -1;
}

function measurePart(document: JsonDocument, part: number, nesting: number): void {
  const type = typeOf(document, part);
  // Nearly all are of these.
  if (type < 0 || document.textEquals(type, 'text') || document.textEquals(type, 'tool_use')) return;
  if (document.textEquals(type, 'tool_result')) {
    measureContent(document, memberOf(document, part, 'content'), nesting + 1);
    return;
  }
  switch (document.text(type)) {
    case 'image_url':
    case 'input_image':
      measureUrl(document, part, 'image_url', addImage);
      return;
    case 'video_url':
      measureUrl(document, part, 'video_url', addFilm);
      return;
    case 'audio_url':
      measureUrl(document, part, 'audio_url', addSound);
      return;
    case 'input_audio':
      measureSound(document, memberOf(document, part, 'input_audio'));
      return;
    case 'file':
    case 'input_file':
      measureFile(document, memberOf(document, part, 'file'));
      return;
    case 'image':
      measureSource(document, memberOf(document, part, 'source'), nesting, addImage);
      return;
    case 'document':
      measureSource(document, memberOf(document, part, 'source'), nesting, addFile);
      return;
    case 'thinking':
    case 'redacted_thinking':
      return;
    default:
      // Results of tools: a string is text, blocks are blocks.
      measureContent(document, memberOf(document, part, 'content'), nesting + 1);
  }
}

/** Counts something that is not in the request. */
type Unseen = (detail: string) => void;

function addImage(detail: string): void {
  const most = imageTokensAtMost(model, detail);
  add({ tokens: most, atMost: most }, 0);
}

const addFile: Unseen = () => addFileOf(null);
const addFilm: Unseen = () => add(filmTokens(null), 0);
const addSound: Unseen = () => add(soundTokens(null), 0);

/** `{"image_url": {"url": …}}`; some servers take the URL itself. */
function measureUrl(document: JsonDocument, part: number, name: string, unseen: Unseen): void {
  const holder = memberOf(document, part, name);
  const inner = memberOf(document, holder, 'url');
  const url = inner >= 0 ? inner : holder;
  if (url < 0 || document.kind(url) !== Kind.String) return;
  measureLocation(document, url, textOf(document, memberOf(document, holder, 'detail')) ?? '', unseen);
}

/** A string that may be a `data:` URL, or an address. */
function measureLocation(document: JsonDocument, node: number, detail: string, unseen: Unseen): void {
  const url = mediaUrl(document, node);
  if (url.kind !== 'data') {
    if (url.kind === 'web') unseen(detail);
    return;
  }
  if (!url.base64) return;
  // PHP escapes the slash of the media type. A comma has no escape of its own.
  const start = url.dataStart >= 0 ? url.dataStart : document.bytes.indexOf(COMMA, document.start(node)) + 1;
  measureData(document, url.mediaType, start, document.end(node) - 1, detail);
}

/** Base64 of a known kind; of any other kind it is text to whoever reads it. */
function measureData(
  document: JsonDocument,
  mediaType: string,
  start: number,
  end: number,
  detail: string,
): void {
  const size = end - start;
  if (mediaType === PDF_TYPE) addFileOf(size);
  else if (mediaType.startsWith('audio/')) add(soundTokens(size, mediaType.includes('wav')), size);
  else if (mediaType.startsWith('video/')) add(filmTokens(size), size);
  else if (mediaType.startsWith('image/') && mediaType !== SVG_TYPE) {
    add(
      {
        tokens: imageTokens(model, imageSize(document.bytes, start, end), detail),
        atMost: imageTokensAtMost(model, detail),
      },
      size,
    );
  }
}

/** `{"data": …, "format": "wav"}` */
function measureSound(document: JsonDocument, sound: number): void {
  const data = memberOf(document, sound, 'data');
  if (data < 0 || document.kind(data) !== Kind.String) return;
  const start = document.start(data) + 1;
  const format = textOf(document, memberOf(document, sound, 'format')) ?? '';
  measureData(document, `audio/${format}`, start, document.end(data) - 1, '');
}

/** `{"file_data": "data:application/pdf;base64,…"}`, or a file that the vendor has. */
function measureFile(document: JsonDocument, file: number): void {
  const data = memberOf(document, file, 'file_data');
  if (data >= 0 && document.kind(data) === Kind.String) measureLocation(document, data, '', addFile);
  else if (memberOf(document, file, 'file_id') >= 0) addFile('');
}

/** `{"type": "base64", "media_type": …, "data": …}` and its siblings. */
function measureSource(document: JsonDocument, source: number, nesting: number, unseen: Unseen): void {
  switch (textOf(document, memberOf(document, source, 'type')) ?? '') {
    case 'base64': {
      const data = memberOf(document, source, 'data');
      if (data < 0 || document.kind(data) !== Kind.String) return;
      const mediaType = (textOf(document, memberOf(document, source, 'media_type')) ?? '').toLowerCase();
      measureData(document, mediaType, document.start(data) + 1, document.end(data) - 1, '');
      return;
    }
    case 'url':
    case 'file':
      unseen('');
      return;
    case 'content':
      measureContent(document, memberOf(document, source, 'content'), nesting + 1);
      return;
    default:
  }
}
