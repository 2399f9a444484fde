import { GatewayError } from '../../../errors/gateway-error.ts';
import { JsonDocument } from '../../../std/json/document.ts';
import type { RequestContext, RequestConversion } from '../../conversion.ts';

/** A converted request as text. */
export interface Converted {
  readonly text: string;
  /** The body, parsed by the runtime: fit to be looked at, not to be compared digit by digit. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  readonly lost: string;
}

/** Converts a body that is given as text. */
export function convertText(conversion: RequestConversion, text: string, context: RequestContext): Converted {
  const document = new JsonDocument();
  document.parse(Buffer.from(text));
  const { body, warnings, lost } = conversion(document, context);
  // What is written must be JSON without a key that stands twice.
  new JsonDocument().parse(body);
  const written = Buffer.from(body).toString('utf8');
  return { text: written, body: JSON.parse(written) as Record<string, unknown>, warnings, lost };
}

/** The fault that a conversion throws. */
export function faultOf(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** The source text of a member of a JSON object that is given as text; '' where there is none. */
export function memberText(text: string, name: string): string {
  const document = new JsonDocument();
  document.parse(Buffer.from(text));
  const node = document.member(0, name);
  return node < 0 ? '' : document.source(node);
}
