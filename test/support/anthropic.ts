import type { Simulator } from '../../src/simulator/server.ts';
import type { Gateway } from './gateway.ts';
import { startStage, type StageWithKey } from './stage.ts';

export type Json = Readonly<Record<string, unknown>>;

/** The body that the vendor got last. */
export const lastSent = (simulator: Simulator): string => Buffer.from(simulator.bodies().at(-1)!).toString();

/** A gateway before a simulator that stands for OpenAI and Anthropic alike. */
export interface Setting extends StageWithKey {
  /** POST with the key, as a client of the path's dialect would. */
  post(
    path: string,
    body: unknown,
    headers?: Readonly<Record<string, string>>,
    key?: string,
  ): Promise<Response>;
}

export const poster =
  (gateway: Gateway, ownKey: string): Setting['post'] =>
  (path, body, headers = {}, key = ownKey) =>
    fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: {
        ...(path.includes('/messages') ? { 'x-api-key': key } : { authorization: `Bearer ${key}` }),
        'content-type': 'application/json',
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

export async function startSetting(
  env: Readonly<Record<string, string>> = {},
  suffix = '',
): Promise<Setting> {
  const stage = await startStage({
    simulator: { record: true },
    vendors: ['openai', 'anthropic'],
    env: ({ url }) => ({
      OPENAI_API_KEY: 'sk-openai',
      ANTHROPIC_API_KEY: 'sk-ant-secret',
      ANTHROPIC_BASE_URL: url + suffix,
      ...env,
    }),
  });
  return { ...stage, post: poster(stage.gateway, stage.key) };
}

export const CHAT = '/v1/chat/completions';
export const MESSAGES = '/v1/messages';
export const CLAUDE = 'claude-opus-4-8';
export const GPT = 'gpt-4o';

/** A client's dialect (by its path) and a vendor's (by its model): all four ways that a request can go. */
export interface Way {
  readonly name: string;
  readonly path: string;
  readonly model: string;
}
export const WAYS: readonly Way[] = [
  { name: 'Messages on Claude', path: MESSAGES, model: CLAUDE },
  { name: 'Messages on GPT', path: MESSAGES, model: GPT },
  { name: 'Chat Completions on Claude', path: CHAT, model: CLAUDE },
  { name: 'Chat Completions on GPT', path: CHAT, model: GPT },
];

/** A request that either dialect takes as it stands. */
export const ask = (model: string, content: unknown, more: Json = {}): Json => ({
  model,
  max_tokens: 500,
  messages: [{ role: 'user', content }],
  ...more,
});

/** One record of an event stream. */
export interface StreamEvent {
  /** null: the record has no name. */
  readonly event: string | null;
  readonly data: string;
}

/** The records of a stream that have data; comments are left out. */
export function eventsOf(text: string): StreamEvent[] {
  return text
    .split('\n\n')
    .map((record) => ({
      event: /^event: (.*)$/m.exec(record)?.[1] ?? null,
      data: /^data: (.*)$/m.exec(record)?.[1] ?? '',
    }))
    .filter(({ data }) => data !== '');
}

/** What a request answered, in the terms of no dialect. */
export interface Said {
  readonly text: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly input: Json }[];
  readonly finish: string | null;
  readonly signature: string;
  readonly thinking: string;
}

interface Block {
  readonly type: string;
  readonly text?: string;
  readonly thinking?: string;
  readonly signature?: string;
  readonly id?: string;
  readonly name?: string;
  readonly input?: Json;
}

function saidInBlocks(content: readonly Block[], finish: string | null): Said {
  const all = (type: string): readonly Block[] => content.filter((block) => block.type === type);
  return {
    text: all('text')
      .map((block) => block.text ?? '')
      .join(''),
    calls: all('tool_use').map(({ id = '', input = {}, name = '' }) => ({ id, name, input })),
    finish,
    signature: all('thinking')[0]?.signature ?? '',
    thinking: all('thinking')[0]?.thinking ?? '',
  };
}

interface ChatMessage {
  readonly content?: string | null;
  readonly reasoning_content?: string;
  readonly thinking_blocks?: readonly Block[];
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
}

/** Reads a whole answer of the path's dialect. */
export function saidIn(path: string, body: string): Said {
  const json = JSON.parse(body) as Json;
  if (path.endsWith('/messages'))
    return saidInBlocks(json['content'] as readonly Block[], json['stop_reason'] as string);
  const [choice] = json['choices'] as readonly {
    readonly message: ChatMessage;
    readonly finish_reason: string;
  }[];
  const { message } = choice!;
  return {
    text: message.content ?? '',
    calls: (message.tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function.name,
      input: JSON.parse(call.function.arguments) as Json,
    })),
    finish: choice!.finish_reason,
    signature: message.thinking_blocks?.[0]?.signature ?? '',
    thinking: message.reasoning_content ?? '',
  };
}

interface MessagesEvent {
  readonly type: string;
  readonly index?: number;
  readonly content_block?: Block;
  readonly delta?: Block & { readonly partial_json?: string; readonly stop_reason?: string };
}

function saidInMessagesStream(events: readonly StreamEvent[]): Said {
  const blocks: { block: Block; json: string }[] = [];
  let finish: string | null = null;
  for (const { data, event } of events) {
    const one = JSON.parse(data) as MessagesEvent;
    if (one.type !== event) throw new Error(`${event} holds ${one.type}`);
    if (one.type === 'content_block_start') {
      if (one.index !== blocks.length) throw new Error('a block out of turn');
      blocks.push({ block: one.content_block!, json: '' });
    } else if (one.type === 'content_block_delta') {
      const open = blocks.at(-1)!;
      const { delta } = one;
      open.json += delta?.partial_json ?? '';
      const add = (name: 'text' | 'thinking' | 'signature'): string =>
        (open.block[name] ?? '') + (delta?.[name] ?? '');
      open.block = {
        ...open.block,
        text: add('text'),
        thinking: add('thinking'),
        signature: add('signature'),
      };
    } else if (one.type === 'message_delta') finish = one.delta?.stop_reason ?? null;
  }
  return saidInBlocks(
    blocks.map(({ block, json }) =>
      json === '' ? block : Object.assign(block, { input: JSON.parse(json) as Json }),
    ),
    finish,
  );
}

interface ChatDelta extends Omit<ChatMessage, 'tool_calls'> {
  readonly tool_calls?: readonly {
    readonly index: number;
    readonly id?: string;
    readonly function?: { readonly name?: string; readonly arguments?: string };
  }[];
}

function saidInChatStream(events: readonly StreamEvent[]): Said {
  const calls: { id: string; name: string; json: string }[] = [];
  let text = '';
  let thinking = '';
  let signature = '';
  let finish: string | null = null;
  for (const { data } of events) {
    if (data === '[DONE]') continue;
    const { choices = [] } = JSON.parse(data) as {
      readonly choices?: readonly { readonly delta: ChatDelta; readonly finish_reason?: string | null }[];
    };
    const [choice] = choices;
    if (choice === undefined) continue;
    text += choice.delta.content ?? '';
    thinking += choice.delta.reasoning_content ?? '';
    signature += choice.delta.thinking_blocks?.[0]?.signature ?? '';
    finish = choice.finish_reason ?? finish;
    for (const part of choice.delta.tool_calls ?? []) {
      const call = (calls[part.index] ??= { id: '', name: '', json: '' });
      call.id += part.id ?? '';
      call.name += part.function?.name ?? '';
      call.json += part.function?.arguments ?? '';
    }
  }
  return {
    text,
    calls: calls.map(({ id, json, name }) => ({ id, name, input: JSON.parse(json) as Json })),
    finish,
    signature,
    thinking,
  };
}

/** Reads a stream of the path's dialect. */
export const saidInStream = (path: string, text: string): Said =>
  path.endsWith('/messages') ? saidInMessagesStream(eventsOf(text)) : saidInChatStream(eventsOf(text));
