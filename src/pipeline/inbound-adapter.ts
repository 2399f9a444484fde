import { readChatRequest } from '../dialects/openai-chat/request.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { ModelRoute } from '../providers/types.ts';
import { JsonDuplicateKeyError, JsonSyntaxError } from '../std/json/errors.ts';
import type { Stage } from './envelope.ts';

/** Inbound Adapter: the client's dialect → what the gateway must know; the model's name → where it goes. */
export function inboundAdapter(resolveModel: (model: string) => ModelRoute | null): Stage {
  return {
    name: 'inbound_adapter',
    run(envelope) {
      try {
        envelope.document.parse(envelope.input.body);
      } catch (error) {
        throw asClientError(error);
      }
      const facts = readChatRequest(envelope.document);
      Object.assign(envelope, facts);
      const route = resolveModel(facts.model);
      if (route === null) {
        throw new GatewayError(
          'model_not_found',
          `The model '${facts.model}' reaches no configured provider (by alias, provider/model, name, or default provider).`,
          { param: 'model' },
        );
      }
      if (envelope.input.passthrough && route.rewritten) {
        throw new GatewayError(
          'passthrough_alias',
          'Byte-exact mode cannot rename a model: send the name the vendor knows.',
          {
            param: 'model',
          },
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
