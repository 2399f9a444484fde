import { tokensOfInput } from '../billing/estimate.ts';
import { inputSizeOfMessages } from '../dialects/input-size.ts';
import { dialectOf } from '../dialects/registry.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { ModelRoute } from '../providers/types.ts';
import { Kind, JsonDocument } from '../std/json/document.ts';
import { parseBody, parseSteps } from './inbound-adapter.ts';

/** A request to count tokens, as far as the gateway must know it; plain data, which another thread can be given. */
export interface CountQuestion {
  /** As the client named it. It may go nowhere: then the rest says nothing. */
  readonly model: string;
  /** As the vendor gets it. */
  readonly body: Uint8Array;
  /** Tokens by the gateway's own reckoning, where the vendor counts none. */
  readonly estimate: number | null;
}

/** Where a model goes, if anywhere. */
type Resolve = (model: string) => ModelRoute | null;

const ofSmallBodies = new JsonDocument();

/** Reads what the gateway must know of the question; the rest is the vendor's to judge. Throws GatewayError. */
export function countQuestion(body: Uint8Array, resolveModel: Resolve): CountQuestion {
  try {
    parseBody(ofSmallBodies, body);
    return questionIn(ofSmallBodies, body, resolveModel);
  } finally {
    ofSmallBodies.release();
  }
}

/** {@link countQuestion} in steps. */
export function* countQuestionInSteps(
  body: Uint8Array,
  resolveModel: Resolve,
): Generator<void, CountQuestion> {
  const document = new JsonDocument();
  yield* parseSteps(document, body);
  return questionIn(document, body, resolveModel);
}

function questionIn(document: JsonDocument, body: Uint8Array, resolveModel: Resolve): CountQuestion {
  const name = memberOfKind(document, 'model', Kind.String, 'string');
  const model = document.text(name);
  const messages = memberOfKind(document, 'messages', Kind.Array, 'array');
  if (document.next(messages) === messages + 1)
    throw new GatewayError('invalid_value', 'messages: at least one message is required', {
      param: 'messages',
    });
  const route = resolveModel(model);
  if (route === null) return { model, body, estimate: null };
  if (dialectOf(route.provider.profile.dialect).countTokensPath === null) {
    const size = inputSizeOfMessages(document, messages, route.upstreamModel);
    return { model, body, estimate: tokensOfInput(size) };
  }
  return { model, body: renamed(document, body, name, route), estimate: null };
}

/** A member of the body that must be there; the body has been parsed. */
function memberOfKind(document: JsonDocument, name: string, kind: Kind, words: string): number {
  const node = document.kind(0) === Kind.Object ? document.member(0, name) : -1;
  if (node < 0) throw new GatewayError('missing_field', `${name}: Field required`, { param: name });
  if (document.kind(node) === kind) return node;
  throw new GatewayError('invalid_type', `${name}: Input should be a valid ${words}`, { param: name });
}

/** The body with the vendor's name of the model, which is the node `name`; everything else to the byte. */
function renamed(
  document: JsonDocument,
  body: Uint8Array,
  name: number,
  { rewritten, upstreamModel }: ModelRoute,
): Uint8Array {
  if (!rewritten) return body;
  return Buffer.concat([
    body.subarray(0, document.start(name)),
    Buffer.from(JSON.stringify(upstreamModel)),
    body.subarray(document.end(name)),
  ]);
}
