import type { Origin } from '../providers/types.ts';
import type { UpstreamFailure } from './failure.ts';
import type { HeaderFields } from '../http1/fields.ts';

/** A request to a vendor, in HTTP/1.1 wire form. Its bytes must not change before the call has ended. */
export interface UpstreamRequest {
  readonly origin: Origin;
  /** Request line and fields, blank line included; latin1. */
  readonly head: string;
  /** In pieces, so that a large body need not be put together first. */
  readonly body: readonly Uint8Array[];
}

/**
 * What a call tells its owner: a head, body pieces, then exactly one of `onEnd` and `onError`; `onError` also instead of
 * any of the others, even before `call` returns. Interim answers are not told.
 *
 * A method that throws ends the call: its connection is closed and `onError` told `protocol`, after a failed `onEnd` too.
 */
export interface UpstreamHandler {
  onHead(status: number, headers: HeaderFields): void;
  /** `chunk[start, end)` may be kept: nobody writes to the chunk again. */
  onBody(chunk: Uint8Array, start: number, end: number): void;
  onEnd(): void;
  onError(failure: UpstreamFailure): void;
}

/** A call's reins. All of them do nothing once it has ended. */
export interface UpstreamCall {
  /** Something of the request may have reached the vendor; also after the end. */
  readonly sent: boolean;
  /** Closes the connection; nothing more is told. */
  abort(): void;
  /**
   * Takes back a call of which nothing has gone out: it ends, nothing more is told, and its body is the caller's again. null:
   * it has gone out, or has ended.
   */
  recall(): readonly Uint8Array[] | null;
  /** Stops reading from the vendor. What has been read already may still be told. */
  pause(): void;
  resume(): void;
}

/** Connections of one origin, and what they have done since the start. */
export interface OriginStats {
  readonly origin: string;
  readonly idle: number;
  /** Carrying a call, or being opened for one. */
  readonly active: number;
  /** Calls that wait for a connection. */
  readonly waiting: number;
  readonly opened: number;
  /** Calls that went out on a connection that had served before. */
  readonly reused: number;
  /** Calls sent again because the vendor had closed their idle connection. */
  readonly retried: number;
}

/** Carries calls to vendors. One per proxy thread. */
export interface UpstreamTransport {
  call(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall;
  stats(): OriginStats[];
  /** Ends every call (`closed`) and closes every connection; later calls fail at once. */
  close(): void;
}

export interface UpstreamTimeouts {
  /** One attempt to connect, TLS included; also the longest wait for a free connection. */
  readonly connectMs: number;
  /** From the request's last progress to the response's head. */
  readonly firstByteMs: number;
  /** Between two pieces of the response, while the call is not paused. */
  readonly idleMs: number;
  /** The whole call. */
  readonly totalMs: number;
}
