import { join } from 'node:path';
import { accepts, freePort, startChild } from '../processes/child.ts';
import { peersFolder } from '../setup.ts';
import { CHAT_PATH, VENDOR_KEY, type Gateway } from './types.ts';

/** The Portkey gateway as its package starts it, under the Bun that runs this. */
export const portkey: Gateway = {
  name: 'portkey',
  warms: true,
  start: async (settings) => {
    const port = freePort();
    const child = await startChild({
      name: 'portkey',
      command: [
        process.execPath,
        join(peersFolder, 'node_modules/@portkey-ai/gateway/build/start-server.js'),
        `--port=${port}`,
        '--headless',
      ],
      cwd: settings.folder,
      environment: {
        NODE_ENV: 'production',
        TRUSTED_CUSTOM_HOSTS: '127.0.0.1',
        BUN_CONFIG_MAX_HTTP_REQUESTS: '20000',
      },
      isUp: () => accepts(port),
    });
    return {
      port,
      path: CHAT_PATH,
      headers: [
        ['authorization', `Bearer ${VENDOR_KEY}`],
        ['x-portkey-provider', 'openai'],
        ['x-portkey-custom-host', `http://127.0.0.1:${settings.upstreamPort}/v1`],
      ],
      child,
    };
  },
};
