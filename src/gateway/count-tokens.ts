import { tokensOfBytes } from '../billing/estimate.ts';
import { dialectOf } from '../dialects/registry.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { ProviderRegistry } from '../providers/registry.ts';
import type { ModelRoute } from '../providers/types.ts';
import type { Incoming } from '../server/incoming.ts';
import { fieldLine } from '../server/reply-head.ts';
import { Kind, JsonDocument } from '../std/json/document.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from '../std/json/errors.ts';
import type { UpstreamHandler } from '../upstream/transport.ts';
import { jsonAnswer, type WholeAnswer } from './answers.ts';
import { authenticate } from './authenticate.ts';
import { readBody, readFailure } from './body.ts';
import type { ChatDeps } from './chat.ts';
import { requestIdOf } from './request-id.ts';
import { meaningOf } from './vendor-headers.ts';

const MAX_ANSWER_BYTES = 1024 * 1024;
const ESTIMATED = fieldLine(
  'x-tokenrouter-warning',
  'the vendor of this model counts no tokens: the number is estimated from the size of the request',
);

/**
 * `POST /v1/messages/count_tokens`: the vendor's own count for models of Anthropic's dialect, an estimate for others.
 *
 * Admitted and rate-limited like a call; it costs nothing, so it is neither shared nor held against the quota, and the body
 * goes out as it came but for the name of the model.
 */
export async function countTokens(
  request: Incoming,
  deps: ChatDeps,
  registry: ProviderRegistry,
): Promise<WholeAnswer> {
  const key = await authenticate(request.fields, deps.keys, deps.wallClockMs());
  const place = deps.admission.enter();
  try {
    deps.rates?.admit(key, deps.wallClockMs());
    const body = await bodyOf(request, deps.maxBodyBytes);
    const model = modelOf(body);
    if (key.allowedModels !== null && !key.allowedModels.includes(model)) {
      throw new GatewayError('model_not_allowed', `This API key may not use the model '${model}'.`, {
        param: 'model',
      });
    }
    const route = registry.resolve(model);
    if (route === null) {
      throw new GatewayError('model_not_found', `The model '${model}' reaches no configured provider.`, {
        param: 'model',
      });
    }
    const requestId = requestIdOf(request.fields);
    const id = fieldLine('x-request-id', requestId) + fieldLine('request-id', requestId);
    if (route.provider.profile.dialect !== 'anthropic-messages')
      return jsonAnswer({ input_tokens: tokensOfBytes(body.byteLength) }, 200, id + ESTIMATED);
    const answer = await ask(request, deps, route, renamed(body, route));
    return { ...answer, fields: answer.fields + id };
  } finally {
    place.leave();
  }
}

async function bodyOf(request: Incoming, maxBytes: number): Promise<Uint8Array> {
  try {
    return await readBody(request, maxBytes);
  } catch (cause) {
    throw readFailure(cause, maxBytes);
  }
}

const document = new JsonDocument();

/** The node of the model's name; the body has been parsed. */
function modelNode(): number {
  const node = document.kind(0) === Kind.Object ? document.member(0, 'model') : -1;
  if (node >= 0 && document.kind(node) === Kind.String) return node;
  throw new GatewayError('missing_field', 'model: Field required', { param: 'model' });
}

function modelOf(body: Uint8Array): string {
  try {
    document.parse(body);
    return document.text(modelNode());
  } catch (error) {
    if (error instanceof JsonDuplicateKeyError)
      throw new GatewayError('duplicate_key', `The request body has a ${error.message}.`, {
        param: error.key,
      });
    if (error instanceof JsonSyntaxError)
      throw new GatewayError('invalid_json', `The request body is not valid JSON: ${error.message}.`);
    throw error;
  } finally {
    document.release();
  }
}

/** The body with the vendor's name of the model; everything else to the byte. */
function renamed(body: Uint8Array, { rewritten, upstreamModel }: ModelRoute): Uint8Array {
  if (!rewritten) return body;
  document.parse(body);
  const node = modelNode();
  const parts = [
    body.subarray(0, document.start(node)),
    Buffer.from(JSON.stringify(upstreamModel)),
    body.subarray(document.end(node)),
  ];
  document.release();
  return Buffer.concat(parts);
}

function ask(request: Incoming, deps: ChatDeps, route: ModelRoute, body: Uint8Array): Promise<WholeAnswer> {
  const { provider } = route;
  const meaning = meaningOf(request.fields, dialectOf(provider.profile.dialect).id);
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    let size = 0;
    let status = 0;
    const handler: UpstreamHandler = {
      onHead(vendorStatus) {
        status = vendorStatus;
      },
      onBody(chunk, start, end) {
        size += end - start;
        if (size <= MAX_ANSWER_BYTES) pieces.push(chunk.slice(start, end));
      },
      onEnd() {
        if (status === 401 || status === 402 || status === 403)
          reject(
            new GatewayError(
              'upstream_credentials',
              "The vendor refused the gateway's own credentials or balance.",
            ),
          );
        else if (status < 200 || (status > 200 && status < 400) || size > MAX_ANSWER_BYTES)
          reject(
            new GatewayError('upstream_protocol', 'The vendor answered with something that is no count.'),
          );
        else resolve({ ...jsonAnswer(null, status), body: Buffer.concat(pieces).toString() });
      },
      onError(failure) {
        reject(
          new GatewayError(
            'upstream_closed',
            `The vendor could not be reached or did not finish: ${failure.message}`,
          ),
        );
      },
    };
    const call = deps.transports.of(provider.origin).call(
      {
        origin: provider.origin,
        head: deps.heads.countTokens(provider, body.byteLength, meaning),
        body: [body],
      },
      handler,
    );
    request.onAbort = () => {
      call.abort();
      reject(new GatewayError('client_closed_request', 'The client left before its answer.'));
    };
  });
}
