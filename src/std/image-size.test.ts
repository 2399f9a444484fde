import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { imageSize } from './image-size.ts';

const sizeOf = (picture: Uint8Array): ReturnType<typeof imageSize> => {
  const text = Buffer.from(picture).toString('base64');
  // Other bytes around the range must not matter.
  const bytes = Buffer.from(`"data:image/png;base64,${text}","iVBORw0KGgo`);
  const start = bytes.indexOf(',') + 1;
  return imageSize(bytes, start, start + text.length);
};

const REST = Buffer.alloc(64, 7);
const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const be = (...values: readonly number[]): Buffer =>
  Buffer.concat(values.map((value) => Buffer.from([value >>> 8, value & 255])));

const png = (width: number, height: number): Buffer =>
  Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13]),
    ascii('IHDR'),
    be(width >>> 16, width & 0xffff, height >>> 16, height & 0xffff),
    REST,
  ]);
const gif = Buffer.concat([ascii('GIF89a'), Buffer.from([0x80, 0x02, 0xe0, 0x01]), REST]);
const webp = (chunk: string, ...fields: readonly number[]): Buffer =>
  Buffer.concat([ascii('RIFF'), REST.subarray(0, 4), ascii(`WEBP${chunk}`), Buffer.from(fields), REST]);
const segment = (marker: number, length: number): Buffer =>
  Buffer.concat([Buffer.from([0xff, marker]), be(length + 2), Buffer.alloc(length, 0xc0)]);
const frame = (marker: number, width: number, height: number): Buffer =>
  Buffer.concat([Buffer.from([0xff, marker]), be(17), Buffer.from([8]), be(height, width), REST]);
const jpeg = (...segments: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([0xff, 0xd8]), ...segments]);

describe('imageSize', () => {
  test('of each kind, by its first bytes', () => {
    expect(sizeOf(png(1920, 1080))).toEqual({ width: 1920, height: 1080 });
    expect(sizeOf(png(70_000, 3))).toEqual({ width: 70_000, height: 3 });
    expect(sizeOf(gif)).toEqual({ width: 640, height: 480 });
    expect(sizeOf(webp('VP8 ', 0, 0, 0, 0, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01))).toEqual({
      width: 640,
      height: 480,
    });
    // 640 - 1 in 14 bits, then 480 - 1.
    const bits = 639 | (479 << 14);
    expect(
      sizeOf(webp('VP8L', 0, 0, 0, 0, 0x2f, bits & 255, (bits >> 8) & 255, (bits >> 16) & 255, bits >>> 24)),
    ).toEqual({
      width: 640,
      height: 480,
    });
    expect(sizeOf(webp('VP8X', 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0x02, 0, 0xdf, 0x01, 0))).toEqual({
      width: 640,
      height: 480,
    });
  });

  test('of a JPEG behind its preview and its colours, baseline or progressive', () => {
    expect(sizeOf(jpeg(frame(0xc0, 800, 600)))).toEqual({ width: 800, height: 600 });
    const before = [segment(0xe0, 14), segment(0xe1, 65_000), segment(0xe2, 60_000), segment(0xc4, 40)];
    expect(sizeOf(jpeg(...before, Buffer.from([0xff]), frame(0xc2, 4_000, 3_000)))).toEqual({
      width: 4_000,
      height: 3_000,
    });
  });

  test('is not known of what has none, or not where it is looked for', () => {
    expect(sizeOf(ascii('A text that is no picture at all, whatever it says.'))).toBeNull();
    expect(sizeOf(png(0, 5))).toBeNull();
    expect(sizeOf(jpeg(segment(0xda, 20), frame(0xc0, 8, 6)))).toBeNull();
    expect(
      sizeOf(jpeg(...Array.from({ length: 4 }, () => segment(0xe1, 65_000)), frame(0xc0, 8, 6))),
    ).toBeNull();
    expect(sizeOf(Buffer.alloc(0))).toBeNull();
  });

  test('a base64 in which slashes are escaped is read alike', () => {
    const picture = png(0xffff, 0x3fff);
    const text = picture.toString('base64').replaceAll('/', '\\/');
    expect(text).toContain('\\/');
    expect(imageSize(Buffer.from(text), 0, text.length)).toEqual({ width: 0xffff, height: 0x3fff });
  });

  test('bytes of any kind are looked at without a throw', () => {
    const heads = [png(9, 9), gif, jpeg(segment(0xe0, 14)), webp('VP8X'), webp('VP8 '), webp('VP8L')];
    fc.assert(
      fc.property(
        fc.constantFrom(...heads),
        fc.uint8Array({ maxLength: 80 }),
        fc.nat(40),
        (head, noise, cut) => {
          const size = sizeOf(Buffer.concat([head.subarray(0, cut), noise]));
          if (size !== null) expect(Math.min(size.width, size.height)).toBeGreaterThan(0);
        },
      ),
    );
  });
});
