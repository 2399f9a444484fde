import type { RequestConversion } from '../dialects/conversion.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { DialectId, ModelRoute } from '../providers/types.ts';
import type { JsonDocument } from '../std/json/document.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from '../std/json/errors.ts';
import type { Envelope, Stage } from './envelope.ts';

/** A longer model name is cut in the message. */
const MAX_SHOWN = 128;

/** How long what is marked is kept. */
export type CacheTtl = '5m' | '1h';

/** Which conversion turns requests of the one dialect into the other's. */
export type ConversionChooser = (client: DialectId, vendor: DialectId) => RequestConversion;

/**
 * Inbound Adapter: the client's dialect → what the gateway must know; the model's name → where it goes; and where the
 * vendor speaks another dialect, the body in that one: every later stage works on what the vendor will read.
 */
export function inboundAdapter(
  resolveModel: (model: string) => ModelRoute | null,
  conversionOf: ConversionChooser,
  cacheTtl: CacheTtl,
): Stage {
  const readClient = (envelope: Envelope): void => {
    const { document, input, readers } = envelope;
    const client = readers[input.dialect];
    client.read(document);
    const route = routeOf(resolveModel, client.model);
    if (input.passthrough && route.rewritten) {
      throw new GatewayError(
        'passthrough_alias',
        'Byte-exact mode cannot rename a model: send the name the vendor knows.',
        { param: 'model' },
      );
    }
    const { cacheMarks, dialect } = route.provider.profile;
    envelope.route = route;
    envelope.client = client;
    envelope.request = readers[dialect];
    envelope.takesMarks = cacheMarks?.models.test(route.upstreamModel) ?? false;
    envelope.converted = dialect !== input.dialect;
  };
  const convertBody = (envelope: Envelope): Uint8Array =>
    convert(
      envelope,
      conversionOf(envelope.input.dialect, envelope.route.provider.profile.dialect),
      cacheTtl,
    );
  return {
    name: 'inbound_adapter',
    run(envelope) {
      const { document, input } = envelope;
      parseBody(document, input.body);
      readClient(envelope);
      if (envelope.converted) {
        parseBody(document, convertBody(envelope));
        envelope.request.read(document);
      }
      locateBlocks(envelope);
    },
    *steps(envelope) {
      const { document, input } = envelope;
      yield* parseSteps(document, input.body);
      readClient(envelope);
      yield;
      if (envelope.converted) {
        const body = convertBody(envelope);
        yield;
        yield* parseSteps(document, body);
        envelope.request.read(document);
        yield;
      }
      locateBlocks(envelope);
    },
  };
}

function locateBlocks({ document, input, request, takesMarks }: Envelope): void {
  if (takesMarks && !input.passthrough) request.locateBlocks(document);
}

/** Reads a client's body; throws GatewayError for one that is no JSON. */
export function parseBody(document: JsonDocument, body: Uint8Array): void {
  if (body.byteLength === 0)
    throw new GatewayError('invalid_json', 'The request body is empty: send a JSON object.');
  try {
    document.parse(body);
  } catch (error) {
    throw asClientError(error);
  }
}

/** Values and keys that are read in one step: some ten milliseconds. */
const STEP_NODES = 256 * 1024;

/** {@link parseBody} in steps. */
export function* parseSteps(document: JsonDocument, body: Uint8Array): Generator<void, void> {
  try {
    document.open(body);
    yield;
    while (!document.advance(STEP_NODES)) yield;
  } catch (error) {
    throw asClientError(error);
  }
  yield;
}

/** Where a model goes; throws a 404 for one that goes nowhere. */
export function routeOf(resolveModel: (model: string) => ModelRoute | null, model: string): ModelRoute {
  const route = resolveModel(model);
  if (route !== null) return route;
  throw new GatewayError(
    'model_not_found',
    `The model '${model.slice(0, MAX_SHOWN)}' reaches no configured provider (by alias, provider/model, name, or default provider).`,
    { param: 'model' },
  );
}

/**
 * The body in the vendor's dialect, to be read in the place of the client's. Arguments that were text are part of it now: nested
 * too deep, they are found out there.
 */
function convert(envelope: Envelope, conversion: RequestConversion, cacheTtl: CacheTtl): Uint8Array {
  const { document, input, route, takesMarks } = envelope;
  if (input.passthrough) {
    throw new GatewayError(
      'unsupported_value',
      `Byte-exact mode cannot translate: the model '${route.upstreamModel.slice(0, MAX_SHOWN)}' is served by a vendor that speaks another dialect.`,
      { param: 'model' },
    );
  }
  const { body, lost, warnings } = conversion(document, {
    upstreamModel: route.upstreamModel,
    cacheMarks: takesMarks,
    openaiFields: route.provider.promptCacheKey,
    toolsBesideEffort: route.provider.profile.toolsBesideEffort,
    reasoningContent: route.provider.profile.reasoningContent,
    cacheTtl,
  });
  envelope.lost = lost;
  envelope.warnings = warnings;
  return body;
}

function asClientError(error: unknown): unknown {
  if (error instanceof JsonDuplicateKeyError) {
    return new GatewayError('duplicate_key', `The request body has a ${error.message}.`, {
      param: error.key,
    });
  }
  if (error instanceof JsonSyntaxError)
    return new GatewayError('invalid_json', `The request body is not valid JSON: ${error.message}.`);
  return error;
}
