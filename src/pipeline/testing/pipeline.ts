import { anthropic } from '../../providers/anthropic/profile.ts';
import { openrouter } from '../../providers/openrouter/profile.ts';
import type { ModelRoute, ProviderProfile } from '../../providers/types.ts';
import { Envelope, type PipelineInput, type Stage } from '../envelope.ts';
import { stagesInOrder, type StageOptions } from '../order.ts';
import { Pipeline, type PipelineOptions } from '../pipeline.ts';
import type { Prepared } from '../prepared.ts';

/** A provider that can everything the pipeline asks about. */
export function routeTo(
  upstreamModel: string,
  can: { usage?: boolean; cacheKey?: boolean } = {},
): ModelRoute {
  return {
    provider: {
      id: 'openai',
      profile: {
        id: 'openai',
        dialect: 'openai-chat',
        defaultBaseUrl: 'https://api.openai.com/v1',
        modelPatterns: [],
        streamUsage: can.usage ?? true,
        promptCacheKey: 'always',
      },
      origin: { key: 'openai', tls: true, host: 'api.openai.com', port: 443 },
      basePath: '/v1',
      accounts: [],
      official: true,
      promptCacheKey: can.cacheKey ?? true,
    },
    upstreamModel,
    rewritten: false,
  };
}

const routeBy = (profile: ProviderProfile, upstreamModel: string): ModelRoute => {
  const { provider } = routeTo(upstreamModel);
  return {
    provider: { ...provider, id: profile.id, profile, promptCacheKey: false },
    upstreamModel,
    rewritten: false,
  };
};

/** Claude models at Anthropic, and behind a host that speaks Chat Completions. */
export const routeToClaude = (model: string): ModelRoute => routeBy(anthropic, model);
export const routeToOpenRouter = (model: string): ModelRoute => routeBy(openrouter, model);

/** A client that speaks Messages with a vendor that does. */
export const MESSAGES: [Partial<PipelineOptions>, Partial<PipelineInput>] = [
  { resolveModel: routeToClaude },
  { dialect: 'anthropic-messages', routePath: '/v1/messages' },
];

export const OPTIONS: PipelineOptions = {
  cacheInject: true,
  toolSort: true,
  resolveModel: (model) => routeTo(model),
};

export function inputOf(body: string | Uint8Array, rest: Partial<PipelineInput> = {}): PipelineInput {
  return {
    body: typeof body === 'string' ? Buffer.from(body) : body,
    dialect: 'openai-chat',
    scope: 'key-1',
    routePath: '/v1/chat/completions',
    headers: '',
    passthrough: false,
    ...rest,
  };
}

/** The envelope of a body after the stages up to and with the named one. */
export function runTo(
  name: Stage['name'],
  body: string,
  options: Partial<StageOptions> = {},
  input: Partial<PipelineInput> = {},
): Envelope {
  const envelope = new Envelope();
  envelope.open(inputOf(body, input));
  for (const stage of stagesInOrder({ ...OPTIONS, ...options })) {
    stage.run(envelope);
    if (stage.name === name) return envelope;
  }
  throw new Error(`no stage ${name}`);
}

/** What {@link prepare} may be given besides a body. */
export type Setting = [options?: Partial<PipelineOptions>, input?: Partial<PipelineInput>];

export const prepare = (body: string | Uint8Array, ...[options = {}, input = {}]: Setting): Prepared =>
  new Pipeline({ ...OPTIONS, ...options }).prepare(inputOf(body, input));

export const textOf = (prepared: Prepared): string => Buffer.from(prepared.body).toString();
export const hexOf = (hash: Uint8Array): string => Buffer.from(hash).toString('hex');
