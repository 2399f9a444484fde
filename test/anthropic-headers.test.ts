import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { ask, CHAT, CLAUDE, GPT, MESSAGES, startSetting, type Setting } from './support/anthropic.ts';
import { meeting } from './support/meeting.ts';
import { sendRaw, statusOf } from './support/raw-http.ts';

let setting: Setting;
beforeAll(async () => {
  setting = await startSetting({ WORKERS: '1' });
});
afterAll(() => setting[Symbol.asyncDispose]());
afterEach(() => setting.simulator.reset());

async function sentHeaders(
  path: string,
  model: string,
  headers: Record<string, string>,
): Promise<ReadonlyMap<string, string>> {
  const response = await setting.post(path, ask(model, crypto.randomUUID()), headers);
  const text = await response.text();
  expect(`${response.status} ${text}`).toStartWith('200 ');
  return setting.simulator.requests().at(-1)!.headers;
}

describe('what goes to the vendor in headers', () => {
  test("anthropic-version: the client's, and 2023-06-01 where it names none", async () => {
    const version = async (headers: Record<string, string>): Promise<string | undefined> =>
      (await sentHeaders(MESSAGES, CLAUDE, headers)).get('anthropic-version');
    expect(await version({})).toBe('2023-06-01');
    expect(await version({ 'anthropic-version': '2026-10-21' })).toBe('2026-10-21');
    expect(await version({ 'anthropic-version': '2023-06-01' })).toBe('2023-06-01');
  });

  test("anthropic-beta goes to the client's own dialect, not to another", async () => {
    const beta = { 'anthropic-beta': 'a-2026-01-01, b-2026-02-02' };
    const own = await sentHeaders(MESSAGES, CLAUDE, beta);
    expect(own.get('anthropic-beta')).toBe('a-2026-01-01,b-2026-02-02');
    const other = await sentHeaders(MESSAGES, GPT, beta);
    expect(other.get('anthropic-beta')).toBeUndefined();
    expect(other.get('anthropic-version')).toBeUndefined();
    const fromChat = await sentHeaders(CHAT, CLAUDE, { ...beta, 'anthropic-version': '2026-10-21' });
    expect(fromChat.get('anthropic-beta')).toBeUndefined();
    expect(fromChat.get('anthropic-version')).toBe('2023-06-01');
  });

  test("the gateway's own key, never the client's", async () => {
    for (const path of [MESSAGES, CHAT]) {
      const headers = await sentHeaders(path, CLAUDE, {});
      expect(headers.get('x-api-key')).toBe('sk-ant-secret');
      expect(headers.get('authorization')).toBeUndefined();
      for (const value of headers.values()) expect(value).not.toContain(setting.key);
    }
  });

  test('a client cannot write headers of its own into the call', async () => {
    const hostile = [
      'a\rx-evil: 1',
      'a\nx-evil: 1',
      'a\tb',
      'a b',
      'ä',
      'a;b',
      'a: b',
      'a'.repeat(5_000),
      ',',
    ];
    const body = JSON.stringify(ask(CLAUDE, 'hostile'));
    for (const name of ['anthropic-beta', 'anthropic-version'])
      for (const value of hostile) {
        const answer = await sendRaw(
          setting.gateway.url,
          `POST /v1/messages HTTP/1.1\r\nHost: gateway\r\nx-api-key: ${setting.key}\r\nConnection: close\r\n` +
            `Content-Type: application/json\r\n${name}: ${value}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        expect([name, value, [200, 400].includes(statusOf(answer) ?? 0)]).toEqual([name, value, true]);
      }
    for (const { headers } of setting.simulator.requests()) {
      expect(headers.has('x-evil')).toBe(false);
      expect(headers.get('anthropic-version')).toBe('2023-06-01');
      expect(headers.has('anthropic-beta')).toBe(false);
    }
  });
});

describe('headers that carry meaning tell requests apart', () => {
  const role = (response: Response): string | null => response.headers.get('x-tokenrouter-dedup');
  const at = (model: string, headers: Record<string, string>): Promise<Response> =>
    setting.post(MESSAGES, ask(model, 'the same [[sim:hold=0]]'), headers);

  test('another version or beta is another call, the same one is not', async () => {
    const responses = await meeting(setting.gateway, setting.simulator, { calls: 4, followers: 2 }, () => [
      at(CLAUDE, {}),
      at(CLAUDE, { 'anthropic-version': '2023-06-01' }),
      at(CLAUDE, { 'anthropic-version': '2026-10-21' }),
      at(CLAUDE, { 'anthropic-beta': 'a' }),
      at(CLAUDE, { 'anthropic-beta': 'a,b' }),
      at(CLAUDE, { 'anthropic-beta': 'a , b' }),
    ]);
    await Promise.all(responses.map((response) => response.text()));
    expect(responses.map(role).toSorted((a, b) => (a ?? '').localeCompare(b ?? ''))).toEqual([
      'follower',
      'follower',
      'leader',
      'leader',
      'leader',
      'leader',
    ]);
    expect(setting.simulator.stats().received).toBe(4);
  });
});
