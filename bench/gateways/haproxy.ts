import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, freePort, startChild } from '../processes/child.ts';
import { CHAT_PATH, VENDOR_KEY, type Gateway, type GatewaySettings } from './types.ts';

/** Configuration of a plain HTTP proxy that reuses upstream connections for any client and logs nothing. */
export function haproxyConfiguration(settings: GatewaySettings, port: number): string {
  return `global
  nbthread ${settings.workers ?? 1}
  maxconn 9900
defaults
  mode http
  option http-keep-alive
  option http-no-delay
  http-reuse always
  timeout connect 10s
  timeout client 15m
  timeout server 15m
frontend clients
  bind 127.0.0.1:${port} backlog 4096
  default_backend vendor
backend vendor
  server simulator 127.0.0.1:${settings.upstreamPort} pool-max-conn 9900
`;
}

export const haproxy: Gateway = {
  name: 'haproxy',
  start: async (settings) => {
    const port = freePort();
    const file = join(settings.folder, 'haproxy.cfg');
    writeFileSync(file, haproxyConfiguration(settings, port));
    const child = await startChild({
      name: 'haproxy',
      command: ['haproxy', '-db', '-f', file],
      environment: { PATH: `/usr/sbin:/usr/bin:/bin` },
      isUp: () => accepts(port),
    });
    return { port, path: CHAT_PATH, headers: [['authorization', `Bearer ${VENDOR_KEY}`]], child };
  },
};
