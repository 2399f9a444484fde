import type { ErrorCode } from '../errors/catalogue.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { CountQuestion } from '../pipeline/count-question.ts';
import type { PipelineInput } from '../pipeline/envelope.ts';
import type { PreparedFields } from '../pipeline/prepared.ts';

/** What is to be done with a large body. */
export type Work =
  | { readonly kind: 'chat'; readonly input: PipelineInput }
  | { readonly kind: 'count'; readonly body: Uint8Array };

export type Product = PreparedFields | CountQuestion;

/** From a proxy thread: one piece of work at a time, and that it is not wanted any more. */
export type Order =
  | { readonly type: 'work'; readonly id: number; readonly work: Work }
  | { readonly type: 'cancel'; readonly id: number };

/** A GatewayError as it crosses threads. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param: string | undefined;
}

/** One for every piece of work, cancelled or not. */
export type Reply =
  | { readonly id: number; readonly product: Product }
  | { readonly id: number; readonly fault: Fault }
  /** A defect of the gateway: its stack. */
  | { readonly id: number; readonly defect: string }
  | { readonly id: number; readonly cancelled: true };

export const faultOf = ({ code, message, param }: GatewayError): Fault => ({ code, message, param });

export const errorOf = ({ code, message, param }: Fault): GatewayError =>
  new GatewayError(code, message, { param });

/** Smaller memory may be a piece of what others share, and is copied quickly. */
const MOVED_BYTES = 64 * 1024;

/**
 * The memory behind `bytes` that can be handed over without a copy, each once; for bytes that nobody needs here any more. To copy
 * 31 MiB into a message takes 100 ms, to move it less than one (measured).
 */
export function movable(bytes: readonly Uint8Array[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { buffer } of bytes)
    if (buffer instanceof ArrayBuffer && buffer.byteLength >= MOVED_BYTES) buffers.add(buffer);
  return Array.from(buffers);
}

/** `bytes` as all of their own memory: what else lies in it is not the receiver's. */
export const alone = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
