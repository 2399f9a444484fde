import { expect, test } from 'bun:test';
import { haproxyConfiguration } from './haproxy.ts';
import { nginxConfiguration } from './nginx.ts';
import { tokenrouterEnvironment } from './tokenrouter.ts';

const settings = { upstreamPort: 9901, folder: '/folder' };

test('rivals keep connections, log nothing and stay on loopback', () => {
  const nginx = nginxConfiguration(settings, 8000);
  expect(nginx).toContain('listen 127.0.0.1:8000');
  expect(nginx).toContain('server 127.0.0.1:9901');
  expect(nginx).toContain('worker_processes 1;');
  expect(nginx).toContain('proxy_buffering on;');
  expect(nginx).toContain('access_log off;');
  expect(nginxConfiguration({ ...settings, workers: 2, streams: true }, 8000)).toMatch(
    /worker_processes 2;[^]*proxy_buffering off;/,
  );
  const haproxy = haproxyConfiguration(settings, 8001);
  expect(haproxy).toContain('bind 127.0.0.1:8001');
  expect(haproxy).toContain('http-reuse always');
});

test('the gateway runs with everything at its default but addresses, and what a scenario sets', () => {
  const environment = tokenrouterEnvironment(
    { ...settings, workers: 1, environment: { GLOBAL_CONCURRENT_LIMIT: '12000' } },
    8002,
  );
  expect(environment).toMatchObject({
    PORT: '8002',
    HOST: '127.0.0.1',
    DATA_DIR: '/folder/data',
    OPENAI_BASE_URL: 'http://127.0.0.1:9901/v1',
    WORKERS: '1',
    GLOBAL_CONCURRENT_LIMIT: '12000',
  });
  expect(Object.keys(environment)).not.toContain('DEDUP_ENABLED');
});
