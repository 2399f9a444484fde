import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './gateway.ts';

interface Config {
  readonly global: object;
  readonly scrape_configs: readonly object[];
}

/** A port that nobody listens on; another process may take it before it is used. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

interface RuleState {
  readonly name: string;
  readonly health: string;
  readonly state: string;
}

export interface PrometheusServer extends AsyncDisposable {
  /** The series of an instant query; throws what Prometheus has against the expression. */
  query(expr: string): Promise<readonly { readonly metric: Readonly<Record<string, string>> }[]>;
  rules(): Promise<readonly RuleState[]>;
}

/** The deployed configuration with a target on this machine, and in a hurry. */
export async function startPrometheus(
  program: string,
  folderOfConfig: string,
  gatewayUrl: string,
): Promise<PrometheusServer> {
  const folder = mkdtempSync(join(tmpdir(), 'tokenrouter-prometheus-'));
  const deployed = Bun.YAML.parse(readFileSync(join(folderOfConfig, 'prometheus.yml'), 'utf8')) as Config;
  const config = {
    global: {
      ...deployed.global,
      scrape_interval: '500ms',
      scrape_timeout: '500ms',
      evaluation_interval: '500ms',
    },
    rule_files: [join(folderOfConfig, 'alerts.yml')],
    scrape_configs: [
      { ...deployed.scrape_configs[0], static_configs: [{ targets: [new URL(gatewayUrl).host] }] },
    ],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  const child = Bun.spawn(
    [
      program,
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=${address}`,
      '--log.level=error',
    ],
    { stdout: 'ignore', stderr: 'inherit' },
  );
  const ask = async <T>(path: string, form?: URLSearchParams): Promise<T> => {
    const response = await fetch(
      `http://${address}/api/v1/${path}`,
      form === undefined ? {} : { method: 'POST', body: form },
    );
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${form?.get('query') ?? path}: ${answer.error}`);
    return answer.data;
  };
  await eventually(
    () =>
      fetch(`http://${address}/-/ready`).then(
        (response) => response.ok,
        () => false,
      ),
    'Prometheus is ready',
  );
  return {
    query: async (expr) => {
      const data = await ask<{ result: readonly { metric: Record<string, string> }[] }>(
        'query',
        new URLSearchParams({ query: expr }),
      );
      return data.result;
    },
    rules: async () =>
      (await ask<{ groups: readonly { rules: readonly RuleState[] }[] }>('rules')).groups.flatMap(
        (group) => group.rules,
      ),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await child.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
