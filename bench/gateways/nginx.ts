import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, freePort, startChild } from '../processes/child.ts';
import { CHAT_PATH, VENDOR_KEY, type Gateway, type GatewaySettings } from './types.ts';

/** Idle upstream connections one worker keeps: as many as its descriptors allow beside the clients'. */
const KEEPALIVE = 10_000;

/** Configuration of a plain reverse proxy with keep-alive on both sides and no log. */
export function nginxConfiguration(settings: GatewaySettings, port: number): string {
  return `daemon off;
worker_processes ${settings.workers ?? 1};
worker_rlimit_nofile 20000;
pid ${settings.folder}/nginx.pid;
error_log stderr error;
events { worker_connections 19900; }
http {
  access_log off;
  client_max_body_size 32m;
  client_body_buffer_size 2m;
  client_body_temp_path ${settings.folder}/body;
  proxy_temp_path ${settings.folder}/proxy;
  fastcgi_temp_path ${settings.folder}/fastcgi;
  uwsgi_temp_path ${settings.folder}/uwsgi;
  scgi_temp_path ${settings.folder}/scgi;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  upstream vendor {
    server 127.0.0.1:${settings.upstreamPort};
    keepalive ${KEEPALIVE};
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} reuseport backlog=4096;
    location / {
      proxy_pass http://vendor;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_read_timeout 15m;
      proxy_buffering ${settings.streams === true ? 'off' : 'on'};
    }
  }
}
`;
}

/** nginx as reverse proxy, one worker unless told otherwise: the practical limit of what any gateway can reach. */
export const nginx: Gateway = {
  name: 'nginx',
  start: async (settings) => {
    const port = freePort();
    const file = join(settings.folder, 'nginx.conf');
    mkdirSync(join(settings.folder, 'logs'), { recursive: true });
    writeFileSync(file, nginxConfiguration(settings, port));
    const child = await startChild({
      name: 'nginx',
      command: ['nginx', '-p', settings.folder, '-c', file],
      environment: { PATH: `/usr/sbin:/usr/bin:/bin` },
      isUp: () => accepts(port),
    });
    return { port, path: CHAT_PATH, headers: [['authorization', `Bearer ${VENDOR_KEY}`]], child };
  },
};
