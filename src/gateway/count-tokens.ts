import { dialectOf } from '../dialects/registry.ts';
import type { Dialect } from '../dialects/types.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { fieldLine, type HeaderFields } from '../http1/fields.ts';
import { countQuestion, type CountQuestion } from '../pipeline/count-question.ts';
import { routeOf } from '../pipeline/inbound-adapter.ts';
import type { Provider } from '../providers/types.ts';
import type { Incoming } from '../server/incoming.ts';
import { asBuffer, Gathered } from '../std/bytes.ts';
import type { UpstreamFailure } from '../upstream/failure.ts';
import type { UpstreamCall, UpstreamHandler } from '../upstream/transport.ts';
import { jsonAnswer, type WholeAnswer } from '../call/answers.ts';
import { authenticate, authenticateAgain, checkModel } from '../keys/authenticate.ts';
import { wholeBody } from './body.ts';
import type { ChatDeps } from './chat.ts';
import { hopsOf } from '../call/hops.ts';
import type { KnownKey } from '../keys/key-cache.ts';
import { LARGE_BODY_BYTES } from './large-bodies.ts';
import { requestIdOf } from './request-id.ts';
import type { KeyedCall } from '../call/running-calls.ts';
import {
  clientStatus,
  isNoAnswer,
  isOfCredentials,
  refusedCredentials,
  toldFailure,
} from '../call/vendor-failures.ts';
import { RETRY_HINTS } from '../call/retry-hints.ts';

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
export async function countTokens(request: Incoming, deps: ChatDeps): Promise<WholeAnswer> {
  const hops = hopsOf(request.fields);
  const { admission, bodies, keys, maxBodyBytes, rates, resolveModel, wallClockMs } = deps;
  let key = await authenticate(request.fields, keys, wallClockMs());
  let { generation } = keys;
  admission.checkOpen();
  const body = await wholeBody(request, maxBodyBytes, { bodies, slot: key.slot });
  const permit = admission.enter();
  try {
    rates?.admit(key, wallClockMs());
    const question =
      body.byteLength < LARGE_BODY_BYTES
        ? countQuestion(body, resolveModel)
        : await deps.largeBodies.count(request, key.slot, body);
    for (;;) {
      // The key may have changed while the body came or was read, or while the question waited for a connection.
      key = await authenticateAgain(key, generation, keys, wallClockMs());
      ({ generation } = keys);
      checkModel(key, question.model);
      const route = routeOf(resolveModel, question.model);
      const answer = await answerTo(request, deps, question, route.provider, key, hops);
      if (answer !== null) return answer;
    }
  } finally {
    permit.leave();
  }
}

/** null: the key has changed before anything was asked. */
async function answerTo(
  request: Incoming,
  deps: ChatDeps,
  question: CountQuestion,
  provider: Provider,
  key: KnownKey,
  hops: number,
): Promise<WholeAnswer | null> {
  const { id } = provider;
  const requestId = requestIdOf(request.fields);
  const fields =
    fieldLine('x-request-id', requestId) +
    deps.dialect.headers.requestIdLine(requestId) +
    fieldLine('x-tokenrouter-provider', id);
  if (question.estimate !== null)
    return jsonAnswer({ input_tokens: question.estimate }, 200, fields + ESTIMATED);
  deps.providerLimit?.enter(id);
  try {
    const answer = await ask(request, deps, provider, question.body, key.id, hops);
    return answer === null ? null : { ...answer, fields: answer.fields + fields };
  } finally {
    deps.providerLimit?.leave(id);
  }
}

/** Asks the vendor; rejects with a GatewayError. null: the key has changed before anything went out. */
async function ask(
  request: Incoming,
  deps: ChatDeps,
  provider: Provider,
  body: Uint8Array,
  keyId: string,
  hops: number,
): Promise<WholeAnswer | null> {
  if (request.over) throw clientLeft();
  const dialect = dialectOf(provider.profile.dialect);
  const forwardedHeaders = dialect.headers.forwardedOf(request.fields);
  const { promise, reject, resolve } = Promise.withResolvers<WholeAnswer | null>();
  const count = new Count(keyId, dialect, resolve, reject);
  count.call = deps.transports.of(provider.origin).call(
    {
      origin: provider.origin,
      head: deps.heads.countTokens(provider, body.byteLength, forwardedHeaders, hops),
      body: [body],
    },
    count,
  );
  request.watch = {
    clientLeft: () => {
      count.call?.abort();
      reject(clientLeft());
    },
  };
  deps.calls.add(count);
  try {
    return await promise;
  } finally {
    deps.calls.remove(count);
  }
}

const clientLeft = (): GatewayError =>
  new GatewayError('client_closed_request', 'The client left before its answer.');

/** One question to a vendor, and its answer: small, and the client's to read. */
class Count implements UpstreamHandler, KeyedCall {
  readonly keyId: string;
  /** Of the vendor. */
  readonly #dialect: Dialect;
  readonly #resolve: (answer: WholeAnswer | null) => void;
  readonly #reject: (error: GatewayError) => void;
  readonly #body = new Gathered();
  #size = 0;
  #status = 0;
  #type = 'application/json';
  #fields = '';
  call: UpstreamCall | null = null;
  previous: KeyedCall | null = null;
  next: KeyedCall | null = null;

  constructor(
    keyId: string,
    dialect: Dialect,
    resolve: (answer: WholeAnswer | null) => void,
    reject: (error: GatewayError) => void,
  ) {
    this.keyId = keyId;
    this.#dialect = dialect;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  keyChanged(): void {
    if (this.call !== null && this.call.recall() !== null) this.#resolve(null);
  }

  onHead(status: number, headers: HeaderFields): void {
    this.#status = status;
    this.#type = headers.get('content-type') ?? this.#type;
    if (status < 400) return;
    for (const name of RETRY_HINTS) {
      const value = headers.get(name);
      if (value !== null) this.#fields += fieldLine(name, value);
    }
  }

  onBody(chunk: Uint8Array, start: number, end: number): void {
    this.#size += end - start;
    if (this.#size <= MAX_ANSWER_BYTES) this.#body.add(chunk, start, end);
  }

  onEnd(): void {
    this.#body.join();
    const { bytes, end, start } = this.#body;
    const told = this.#status < 300 ? this.#dialect.failureOfBody(bytes, start, end) : null;
    const status = told?.status ?? this.#status;
    if (isOfCredentials(status)) this.#reject(refusedCredentials());
    else if (isNoAnswer(status) || this.#size > MAX_ANSWER_BYTES)
      this.#reject(
        new GatewayError('upstream_protocol', 'The vendor answered with something that is no count.'),
      );
    else {
      const fields = fieldLine('content-type', this.#type) + this.#fields;
      const body = asBuffer(bytes).toString('utf8', start, end);
      this.#resolve({ status: clientStatus(status), fields, body });
    }
  }

  onError(failure: UpstreamFailure): void {
    this.#reject(toldFailure(failure));
  }
}
