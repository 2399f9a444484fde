/** One block of a stream as the plain parser sees it. */
export interface PlainBlock {
  /** Null: no data line. */
  readonly data: string | null;
  readonly raw: string;
}

/**
 * The server-sent events of a whole stream (latin1), line by line as the standard writes it: the plain twin of
 * `SseParser`. What has no blank line after it is dropped.
 */
export function parsePlainly(stream: string): PlainBlock[] {
  const blocks: PlainBlock[] = [];
  const text = stream.startsWith('\xef\xbb\xbf') ? stream.slice(3) : stream;
  let raw = '';
  let data: string[] = [];
  for (const [whole, line = '', end = ''] of text.matchAll(/([^\r\n]*)(\r\n|\r|\n|$)/g)) {
    if (end === '') break;
    raw += whole;
    if (line === '') {
      blocks.push({ data: data.length > 0 ? data.join('\n') : null, raw });
      raw = '';
      data = [];
    } else if (line === 'data' || line.startsWith('data:')) {
      data.push(line.slice(5).replace(/^ /, ''));
    }
  }
  return blocks;
}
