import { join } from 'node:path';
import { answersOk, freePort, startChild } from '../processes/child.ts';
import { programCommand } from '../processes/program.ts';
import { CHAT_PATH, VENDOR_KEY, type Gateway, type GatewaySettings } from './types.ts';

const KEY_TIMEOUT_MS = 10_000;
const ADMIN_TOKEN = 'bench-admin-token-0123456789abcdef';

/** As the image sets it: memory is kept for a while, not given back at once and asked for again. */
const ALLOCATOR = { MIMALLOC_PURGE_HOLES: '0', MIMALLOC_PURGE_DELAY: '20000' };

/** Environment of a gateway with everything on: authentication, quota, dedup, pipeline, metrics, ledger. */
export function tokenrouterEnvironment(settings: GatewaySettings, port: number): Record<string, string> {
  return {
    PORT: String(port),
    ...ALLOCATOR,
    HOST: '127.0.0.1',
    DATA_DIR: join(settings.folder, 'data'),
    ADMIN_TOKEN,
    OPENAI_API_KEY: VENDOR_KEY,
    OPENAI_BASE_URL: `http://127.0.0.1:${settings.upstreamPort}/v1`,
    ...(settings.workers === undefined ? {} : { WORKERS: String(settings.workers) }),
    ...settings.environment,
  };
}

/** Makes a client key by the admin API. */
async function createClientKey(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/admin/api-keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', quota_usd: 1_000_000 }),
    signal: AbortSignal.timeout(KEY_TIMEOUT_MS),
  });
  const answer = (await response.json()) as { key?: string };
  if (typeof answer.key !== 'string')
    throw new Error(`no API key (status ${response.status}): ${JSON.stringify(answer)}`);
  return answer.key;
}

/** This project, as `make build` made it, with one thread per core unless told otherwise. */
export const tokenrouter: Gateway = {
  name: 'tokenrouter',
  warms: true,
  start: async (settings) => {
    const port = freePort();
    const child = await startChild({
      name: 'tokenrouter',
      command: programCommand('serve'),
      cwd: settings.folder,
      environment: tokenrouterEnvironment(settings, port),
      isUp: () => answersOk(`http://127.0.0.1:${port}/health/ready`),
    });
    try {
      const key = await createClientKey(port);
      return { port, path: CHAT_PATH, headers: [['authorization', `Bearer ${key}`]], child };
    } catch (error) {
      await child.stop();
      throw error;
    }
  },
};
