import { GatewayError } from '../errors/gateway-error.ts';
import type { ModelRoute } from '../providers/types.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from '../std/json/errors.ts';
import type { Stage } from './envelope.ts';

/** A longer model name is cut in the message. */
const MAX_SHOWN = 128;

/** Inbound Adapter: the client's dialect → what the gateway must know; the model's name → where it goes. */
export function inboundAdapter(resolveModel: (model: string) => ModelRoute | null): Stage {
  return {
    name: 'inbound_adapter',
    run(envelope) {
      const { document, input, request } = envelope;
      if (input.body.byteLength === 0)
        throw new GatewayError('invalid_json', 'The request body is empty: send a JSON object.');
      try {
        document.parse(input.body);
      } catch (error) {
        throw asClientError(error);
      }
      request.read(document);
      const route = resolveModel(request.model);
      if (route === null) {
        throw new GatewayError(
          'model_not_found',
          `The model '${request.model.slice(0, MAX_SHOWN)}' reaches no configured provider (by alias, provider/model, name, or default provider).`,
          { param: 'model' },
        );
      }
      if (input.passthrough && route.rewritten) {
        throw new GatewayError(
          'passthrough_alias',
          'Byte-exact mode cannot rename a model: send the name the vendor knows.',
          { param: 'model' },
        );
      }
      envelope.route = route;
    },
  };
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
