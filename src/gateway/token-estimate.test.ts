import { expect, test } from 'bun:test';
import { JsonDocument } from '../std/json/document.ts';
import { estimateTokens } from './token-estimate.ts';

const document = new JsonDocument();

/** Tokens of a request with so many bytes of base64 in it. */
function estimate(mediaType: string, bytes: number): number {
  const source = { type: 'base64', media_type: mediaType, data: 'A'.repeat(bytes) };
  document.parse(Buffer.from(JSON.stringify({ messages: [{ content: [{ type: 'document', source }] }] })));
  return estimateTokens(document);
}

test('a PDF counts by its pages, a picture as one, neither as text', () => {
  expect(estimate('application/pdf', 50_000)).toBeWithin(3_000, 3_100);
  expect(estimate('application/pdf', 999_000)).toBeWithin(30_000, 31_000);
  expect(estimate('image/png', 1_000_000)).toBeWithin(1_600, 1_700);
  expect(estimate('text/plain', 1_000_000)).toBeWithin(250_000, 251_000);
});
