import { describe, expect, test } from 'bun:test';
import type { PriceTable } from '../billing/prices.ts';
import type { QuotaHolds } from '../limits/quota.ts';
import { SharedResponse, type AnswerConsumer } from '../dedup/shared-response.ts';
import type { Lead } from '../dedup/dedup-table.ts';
import { openAiChat } from '../dialects/openai-chat/dialect.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import { HeaderFields } from '../http1/fields.ts';
import type { Prepared } from '../pipeline/prepared.ts';
import { ProviderRegistry } from '../providers/registry.ts';
import type { UpstreamCall, UpstreamHandler, UpstreamTransport } from '../upstream/transport.ts';
import type { CallDeps } from './call-deps.ts';
import type { KnownKey } from '../keys/key-cache.ts';
import { LeadCall } from './lead-call.ts';
import type { ProviderLimit } from '../limits/limits.ts';
import type { Recorder } from './recorder.ts';
import type { RequestHeads } from './request-heads.ts';
import { RunningCalls } from './running-calls.ts';

/** So much of a thing as is asked for. */
const only = <Whole>(part: Partial<Whole>): Whole => part as Whole;

const { providers } = new ProviderRegistry({
  providers: [
    { id: 'openai', baseUrl: null, accounts: [], models: [], streamUsage: null, promptCacheKey: null },
  ],
  aliases: {},
  defaultProvider: null,
});
const PROVIDER = providers[0]!;
const KEY = only<KnownKey>({ id: 'key', slot: 3 });
const BODY = [Buffer.from('{}')];
const STEPS = [
  'price',
  'hold',
  'enter',
  'transport',
  'head',
  'begins',
  'call',
  'release',
  'leave',
  'count',
] as const;
type Step = (typeof STEPS)[number];

/** A call, what it has taken and not given back, and what its clients were told. `broken` throws. */
function call(broken: Step | null = null) {
  const open = { claim: 1, money: 0, place: 0 };
  const told: string[] = [];
  const defects: unknown[] = [];
  const calls = new RunningCalls();
  let parts: readonly Uint8Array[] = BODY;
  let sent = false;
  let handler: UpstreamHandler | null = null;
  const at = (step: Step): void => {
    if (step === broken) throw new Error(step);
  };
  const answer = new SharedResponse();
  const lead: Lead = {
    role: 'leader',
    answer,
    release: () => {
      open.claim = 0;
      at('release');
    },
    gone: () => {
      open.claim = 0;
      answer.gone();
    },
  };
  const client: AnswerConsumer = {
    onHead: ({ status }) => void told.push(`head ${status}`),
    onBytes: (bytes, start, end) => {
      told.push(Buffer.from(bytes).toString('utf8', start, end));
      return true;
    },
    onEnd: () => void told.push('end'),
    onError: (code) => void told.push(code),
    onGone: () => void told.push('gone'),
  };
  const upstream = only<UpstreamCall>({
    get sent() {
      return sent;
    },
    abort: () => {},
    resume: () => {},
    recall: () => (sent ? null : BODY),
  });
  const deps = only<CallDeps>({
    dialect: openAiChat,
    prices: only<PriceTable>({
      find: () => {
        at('price');
        return null;
      },
    }),
    quota: only<QuotaHolds>({
      tryHold: () => {
        at('hold');
        open.money++;
        return true;
      },
      settle: () => void open.money--,
    }),
    providerLimit: only<ProviderLimit>({
      enter: () => {
        at('enter');
        open.place++;
      },
      leave: () => {
        open.place--;
        at('leave');
      },
    }),
    rates: null,
    transports: only<CallDeps['transports']>({
      of: () => {
        at('transport');
        return only<UpstreamTransport>({
          call: (_, owner) => {
            at('call');
            handler = owner;
            return upstream;
          },
        });
      },
    }),
    heads: only<RequestHeads>({
      chat: () => {
        at('head');
        return '';
      },
    }),
    recorder: only<Recorder>({ vendor: () => at('count') }),
    calls,
    wallClockMs: () => 0,
    onDefect: (error) => void defects.push((error.cause as Error).message),
  });
  const prepared = only<Prepared>({
    route: { provider: PROVIDER, upstreamModel: 'm', rewritten: false },
    get parts() {
      return parts;
    },
    takeParts: () => {
      const taken = parts;
      parts = [];
      return taken;
    },
  });
  const refused: GatewayError[] = [];
  const leading = new LeadCall({
    lead,
    key: KEY,
    request: { prepared, forwardedHeaders: '', hops: 0, requestId: 'req_1', deps },
    beginner: {
      warn: () => {},
      vendorBegins: () => at('begins'),
      vendorEnds: () => {},
      refused: (error) => void refused.push(error),
    },
  });
  const cursor = answer.attach(client);
  return {
    leading,
    answer,
    cursor,
    open,
    told,
    refused,
    defects,
    calls,
    /** The vendor's side; the request has gone out. */
    vendor: (): UpstreamHandler => {
      sent = true;
      return handler!;
    },
    bodyIsKept: () => parts === BODY,
  };
}

const NOTHING = { claim: 0, money: 0, place: 0 };
const fields = (type: string): HeaderFields => HeaderFields.of(new Headers({ 'content-type': type }));
const bytes = (handler: UpstreamHandler, text: string): void =>
  handler.onBody(Buffer.from(text), 0, text.length);

describe('what was taken for a call is given back', () => {
  test.each(['price', 'hold', 'enter', 'transport', 'head', 'begins', 'call'] as const)(
    'where %s throws: its client is refused, the others look again',
    (step) => {
      const { leading, open, refused, defects, told, calls, bodyIsKept } = call(step);
      leading.begin();
      expect(open).toEqual(NOTHING);
      expect(refused.map(({ code }) => code)).toEqual(['internal_error']);
      expect([defects, told]).toEqual([[step], ['gone']]);
      expect(bodyIsKept()).toBe(true);
      // Whoever still speaks of it is not heard, and takes nothing more.
      leading.proceed();
      leading.keyChanged();
      leading.onAbandoned();
      calls.keyChanged(KEY.id);
      expect([open, told]).toEqual([NOTHING, ['gone']]);
    },
  );

  test.each(['release', 'leave', 'count'] as const)(
    'all of it where %s throws, and its clients hear of the end',
    (step) => {
      const { leading, open, told, defects, vendor } = call(step);
      leading.begin();
      expect(open).toEqual({ claim: 1, money: 1, place: 1 });
      vendor().onHead(200, fields('application/json'));
      bytes(vendor(), '{}');
      vendor().onEnd();
      expect([open, told, defects]).toEqual([NOTHING, ['head 200', '{}', 'end'], [step]]);
    },
  );

  test('when it has been answered, before its clients hear of the end', () => {
    const { leading, open, told, vendor } = call();
    leading.begin();
    vendor().onHead(200, fields('application/json'));
    bytes(vendor(), '{"a":1}');
    expect(open).toEqual({ claim: 1, money: 1, place: 1 });
    vendor().onEnd();
    expect([open, told]).toEqual([NOTHING, ['head 200', '{"a":1}', 'end']]);
  });

  test('once, when it failed, was left by all, or was taken back', () => {
    const failed = call();
    failed.leading.begin();
    failed.vendor().onError({ kind: 'closed', message: 'm' });
    failed.vendor().onEnd();
    expect([failed.open, failed.told]).toEqual([NOTHING, ['upstream_closed']]);

    const left = call();
    left.leading.begin();
    left.cursor.detach();
    left.vendor().onEnd();
    expect([left.open, left.told]).toEqual([NOTHING, []]);

    const back = call();
    back.leading.begin();
    back.calls.keyChanged(KEY.id);
    back.calls.keyChanged(KEY.id);
    expect([back.open, back.told, back.bodyIsKept()]).toEqual([NOTHING, ['gone'], true]);
  });
});

describe('a call', () => {
  test('that its clients leave before it has what it needs takes nothing more', () => {
    const { leading, cursor, open } = call();
    cursor.detach();
    leading.proceed();
    expect(open).toEqual(NOTHING);
  });

  test('keeps its body until the first record goes out, and goes on without the client that began it', () => {
    const { leading, told, vendor, calls, bodyIsKept, refused } = call();
    leading.begin();
    leading.beginnerLeft();
    vendor().onHead(200, fields('text/event-stream'));
    expect([told, bodyIsKept()]).toEqual([['head 200'], true]);
    bytes(vendor(), 'data: {"choices":[]}\n\n');
    expect(bodyIsKept()).toBe(false);
    // It has gone out: a key that changes does not stop it.
    calls.keyChanged(KEY.id);
    bytes(vendor(), 'data: [DONE]\n\n');
    vendor().onEnd();
    expect(told).toEqual(['head 200', 'data: {"choices":[]}\n\n', 'data: [DONE]\n\n', 'end']);
    expect(refused).toEqual([]);
  });

  test('is paid for before the last record leaves, and no end comes before that has left for all', () => {
    const RECORD = 'data: {"choices":[]}\n\n';
    const { leading, answer, open, vendor } = call();
    leading.begin();
    const told: string[] = [];
    for (const name of ['a', 'b'])
      answer.attach({
        onHead: () => {},
        onBytes: (bytes, start, end) => {
          told.push(`${name} ${Buffer.from(bytes).toString('utf8', start, end)} ${open.money}`);
          return true;
        },
        onEnd: () => void told.push(`${name} end`),
        onError: () => {},
        onGone: () => {},
      });
    vendor().onHead(200, fields('text/event-stream'));
    bytes(vendor(), RECORD);
    bytes(vendor(), 'data: [DONE]\n\n');
    const expected = [
      `a ${RECORD} 1`,
      `b ${RECORD} 1`,
      'a data: [DONE]\n\n 0',
      'b data: [DONE]\n\n 0',
      'a end',
      'b end',
    ];
    expect(told).toEqual(expected);
    vendor().onEnd();
    expect(told).toEqual(expected);
  });

  test('whose stream ends without a last record holds back its end alone', () => {
    const { leading, open, told, vendor } = call();
    leading.begin();
    vendor().onHead(200, fields('text/event-stream'));
    bytes(vendor(), 'data: {"error":{"message":"m"}}\n\n');
    expect([told.length, open]).toEqual([2, { claim: 1, money: 1, place: 1 }]);
    vendor().onEnd();
    expect([told.slice(2), open]).toEqual([['end'], NOTHING]);
  });
});
