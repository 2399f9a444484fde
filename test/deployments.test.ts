import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startSimulator, type Simulator } from '../src/simulator/server.ts';
import { environmentSchema } from '../src/config/environment.ts';
import { METRICS, type MetricName } from '../src/telemetry/catalogue.ts';
import { eventually, startGateway, type Gateway } from './support/gateway.ts';
import { meeting } from './support/meeting.ts';
import { freePort, startPrometheus } from './support/prometheus.ts';
import { skipUnless } from './support/skip-unless.ts';

const FOLDER = join(import.meta.dir, '../deployments');
const read = (path: string): string => readFileSync(join(FOLDER, path), 'utf8');
const yaml = (path: string): unknown => Bun.YAML.parse(read(path));

interface Service {
  readonly image?: string;
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly command?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>> | readonly string[];
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly datasource: { readonly uid: string };
  }[];
  readonly fieldConfig?: {
    readonly overrides: readonly { readonly matcher: { readonly options: string } }[];
  };
}

interface Dashboard {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: { readonly query: string } }[];
  };
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: { readonly summary: string };
    }[];
  }[];
}

const compose = yaml('docker-compose.yml') as {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const rules = (yaml('alerts.yml') as Rules).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(read('grafana/dashboards/tokenrouter.json')) as Dashboard;
const dashboardExpressions = dashboard.panels.flatMap(({ title, targets }) =>
  (targets ?? []).map(({ expr }) => ({ title, expr })),
);

/** The catalogue's names in a text; those of a histogram's parts count as the histogram. */
function metricsIn(text: string): string[] {
  return [...text.matchAll(/\btokenrouter_(\w+)/g)].map(([, name = '']) => {
    const whole = name.replace(/_(bucket|sum|count)$/, '');
    return METRICS[whole as MetricName]?.[0] === 'histogram' ? whole : name;
  });
}

/** `${NAME:-default}` as compose fills it where the environment has no such variable. */
const interpolated = (text: string): string => text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1');

describe('docker-compose.yml', () => {
  const { services } = compose;

  test('has the services, on the ports of the contract', () => {
    expect(Object.keys(services).sort()).toEqual(
      ['gateway', 'grafana', 'postgres', 'prometheus', 'redis', 'simulator'].sort(),
    );
    const published = Object.entries(services).flatMap(([name, { ports }]) =>
      (ports ?? []).map((port) => `${name} ${interpolated(port)}`),
    );
    // What has no password, or a known one, is not for other machines.
    expect(published.sort()).toEqual([
      'gateway 8080:8080',
      'grafana 127.0.0.1:3000:3000',
      'prometheus 127.0.0.1:9090:9090',
    ]);
    expect(services['grafana']?.environment).toMatchObject({ GF_SECURITY_ADMIN_USER: 'admin' });
    expect(interpolated(services['grafana']?.environment?.['GF_SECURITY_ADMIN_PASSWORD'] ?? '')).toBe(
      'admin',
    );
  });

  test('refers to nothing that is not there', () => {
    const used = new Set<string>();
    for (const { volumes, depends_on } of Object.values(services)) {
      for (const volume of volumes ?? []) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('.'))
          expect([source, existsSync(join(FOLDER, source))]).toEqual([source, true]);
        else used.add(source);
      }
      const needed = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on ?? {});
      for (const name of needed) expect(Object.keys(services)).toContain(name);
    }
    expect([...used].sort()).toEqual(Object.keys(compose.volumes).sort());
    const { gateway, simulator } = services;
    expect(gateway?.environment?.['TOKENROUTER_FALLBACK_BASE_URL']).toBe('http://simulator:9901/v1');
    expect(simulator?.command?.join(' ')).toContain('--port 9901');
  });

  test('is what starts from the root, too', () => {
    const root = Bun.YAML.parse(readFileSync(join(FOLDER, '../docker-compose.yml'), 'utf8'));
    // The same name: from either folder the same containers and volumes.
    expect(root).toEqual({ name: compose.name, include: ['deployments/docker-compose.yml'] });
  });

  test('gives the gateway variables it knows, and no database that it would refuse', () => {
    const environment = services['gateway']?.environment ?? {};
    const values = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, interpolated(value)]),
    );
    for (const name of Object.keys(values)) expect(Object.keys(environmentSchema.shape)).toContain(name);
    const parsed = environmentSchema.parse(values);
    expect(parsed).toMatchObject({ PORT: 8080, HOST: '0.0.0.0', DATA_DIR: '/data' });
    expect(parsed.DATABASE_URL).toBeUndefined();
    expect(parsed.REDIS_URL).toBeUndefined();
  });
});

describe('Dockerfile', () => {
  const text = read('Dockerfile');

  test('copies what is there, and runs as nobody on a volume of its own', () => {
    const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) => match[1]!.split(' '));
    const allowed = new Set(read('Dockerfile.dockerignore').split('\n'));
    for (const source of copied.filter((one) => one !== '.')) {
      expect([source, existsSync(join(FOLDER, '..', source))]).toEqual([source, true]);
      expect([source, allowed.has(`!${source}`)]).toEqual([source, true]);
    }
    for (const line of ['VOLUME /data', 'EXPOSE 8080', 'USER tokenrouter', 'ENTRYPOINT ["tokenrouter"]'])
      expect(text.split('\n')).toContain(line);
    expect(text).toMatch(/^ENV .*DATA_DIR=\/data/m);
  });

  test('takes Bun and every target from the Makefile', () => {
    const makefile = readFileSync(join(FOLDER, '../Makefile'), 'utf8');
    for (const match of text.matchAll(/^RUN make (\w+)$/gm))
      expect(makefile).toMatch(new RegExp(`^${match[1]}:`, 'm'));
    expect(makefile).toContain('--outfile dist/tokenrouter');
  });
});

describe('the dashboard', () => {
  const { panels, templating } = dashboard;

  test('asks for metrics that exist', () => {
    const names = metricsIn(JSON.stringify(dashboard));
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) expect(Object.keys(METRICS)).toContain(name);
  });

  test('shows every metric of the catalogue', () => {
    expect([...new Set(dashboardExpressions.flatMap(({ expr }) => metricsIn(expr)))].sort()).toEqual(
      Object.keys(METRICS).sort(),
    );
  });

  test('asks the data source that is provisioned', () => {
    const [source] = (
      yaml('grafana/provisioning/datasources/prometheus.yml') as {
        datasources: readonly { uid: string; type: string; url: string }[];
      }
    ).datasources;
    expect(source).toMatchObject({ type: 'prometheus', url: 'http://prometheus:9090' });
    for (const { title, type, datasource, targets } of panels) {
      if (type === 'row') continue;
      expect([title, datasource?.uid]).toEqual([title, source?.uid]);
      expect([title, targets?.length ?? 0]).toEqual([title, expect.any(Number)]);
      for (const target of targets ?? []) expect(target.datasource.uid).toBe(source!.uid);
    }
    const [provider] = (
      yaml('grafana/provisioning/dashboards/tokenrouter.yml') as {
        providers: readonly { options: { path: string } }[];
      }
    ).providers;
    const { environment, volumes } = compose.services['grafana']!;
    expect(volumes).toContain(`./grafana/dashboards:${provider?.options.path}:ro`);
    expect(environment?.['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH']).toBe(
      `${provider?.options.path}/tokenrouter.json`,
    );
  });

  test('has panels that stand beside each other, and no reference into nothing', () => {
    const variables = new Set([...templating.list.map((one) => one.name), '__rate_interval']);
    expect(new Set(panels.map((panel) => panel.id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { title, gridPos, targets, fieldConfig } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, x < 24, taken.has(`${x} ${y}`)]).toEqual([title, true, false]);
          taken.add(`${x} ${y}`);
        }
      }
      const refIds = (targets ?? []).map((target) => target.refId);
      expect(new Set(refIds).size).toBe(refIds.length);
      for (const override of fieldConfig?.overrides ?? []) expect(refIds).toContain(override.matcher.options);
    }
    const asked = [
      ...dashboardExpressions.map(({ expr }) => expr),
      ...templating.list.map((one) => one.query.query),
    ];
    for (const expr of asked)
      for (const match of expr.matchAll(/\$(\w+)/g)) expect(variables.has(match[1]!)).toBe(true);
  });
});

test('the alert rules watch metrics that exist', () => {
  expect(rules.length).toBeGreaterThan(4);
  for (const { alert, expr, annotations } of rules) {
    for (const name of metricsIn(expr))
      expect([alert, Object.keys(METRICS)]).toEqual([alert, expect.arrayContaining([name])]);
    expect(annotations.summary).not.toBe('');
  }
});

const promtool = Bun.which('promtool');
const prometheus = Bun.which('prometheus');
const withPromtool = skipUnless(promtool !== null, 'without promtool');
const withPrometheus = skipUnless(promtool !== null && prometheus !== null, 'without prometheus');

async function run(command: readonly string[], input = ''): Promise<{ code: number; output: string }> {
  const child = Bun.spawn([...command], {
    cwd: FOLDER,
    stdin: Buffer.from(input),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, output: output + errors };
}

withPromtool.describe('promtool', () => {
  test.each([
    ['check', 'config', 'prometheus.yml'],
    ['check', 'rules', 'alerts.yml'],
    // What every alert fires on, and what not.
    ['test', 'rules', 'alerts.test.yml'],
  ])('%s %s %s', async (verb, what, file) => {
    const { code, output } = await run([promtool!, verb, what, file]);
    expect([code, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
  });

  test('every alert is tested', () => {
    const tested = new Set(
      [...read('alerts.test.yml').matchAll(/alertname: (\w+)/g)].map((match) => match[1]!),
    );
    expect([...tested].sort()).toEqual(rules.map((rule) => rule.alert).sort());
  });
});

/** The gateway as compose starts it, but for where things are; `set`: what its operator has set. */
function startAsComposed(simulator: Simulator, set: Readonly<Record<string, string>>): Promise<Gateway> {
  const elsewhere = new Set(['PORT', 'HOST', 'DATA_DIR', 'ADMIN_TOKEN', 'LOG_LEVEL', 'WORKERS']);
  const environment = Object.entries(compose.services['gateway']?.environment ?? {})
    .filter(([name]) => !elsewhere.has(name))
    .map(([name, value]) => [name, interpolated(value).replace('http://simulator:9901', simulator.url)]);
  return startGateway({ env: { ...Object.fromEntries(environment), ...set } });
}

describe('with a gateway that runs', () => {
  let simulator: Simulator;
  let gateway: Gateway;

  beforeAll(async () => {
    simulator = startSimulator({ port: 0 });
    gateway = await startAsComposed(simulator, {
      DEEPSEEK_API_KEY: 'sk-vendor',
      DEEPSEEK_BASE_URL: simulator.url,
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await simulator.stop();
  });

  const body = (content: string, more: object = {}) => ({
    model: 'deepseek-flash',
    messages: [{ role: 'user', content }],
    ...more,
  });

  test('with a vendor key the vendor answers', async () => {
    const { key } = await gateway.createKey();
    const response = await gateway.chat(key, body('hello'));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-tokenrouter-provider')).toBe('deepseek');
    // And nobody stands in for a vendor that is not configured.
    expect((await gateway.chat(key, { ...body('hello'), model: 'gpt-4o' })).status).toBe(404);
  });

  test('without any the simulator does, for every model', async () => {
    await using keyless = await startAsComposed(simulator, {});
    const { key } = await keyless.createKey();
    const response = await keyless.chat(key, { ...body('hello'), model: 'gpt-4o' });
    expect([response.status, await response.json()]).toEqual([
      200,
      expect.objectContaining({ object: 'chat.completion' }),
    ]);
  });

  test('the health check of the image sees whether it lives', async () => {
    const check = JSON.parse(
      /^HEALTHCHECK [^]*?CMD (\[.*\])$/m.exec(read('Dockerfile'))?.[1] ?? '[]',
    ) as string[];
    const exitCode = (port: string): Promise<number> =>
      Bun.spawn(check, {
        env: { PATH: process.env['PATH'] ?? '', PORT: port },
        stdout: 'ignore',
        stderr: 'ignore',
      }).exited;
    expect(await exitCode(new URL(gateway.url).port)).toBe(0);
    expect(await exitCode(String(await freePort()))).toBe(1);
  });

  withPromtool.test('its metrics are what promtool holds for well made', async () => {
    const { code, output } = await run(
      [promtool!, 'check', 'metrics'],
      await (await fetch(`${gateway.url}/metrics`)).text(),
    );
    expect([code, output]).toEqual([0, '']);
  });

  withPrometheus.test(
    'Prometheus scrapes it, evaluates the rules and answers every expression of the dashboard',
    async () => {
      const { key } = await gateway.createKey();
      // A bit of everything: streamed, shared, refused.
      await (await gateway.chat(key, body('stream', { stream: true }))).text();
      await meeting(gateway, simulator, { calls: 1, followers: 1 }, () =>
        [1, 2].map(() => gateway.chat(key, body('[[sim:hold=0]] twice'))),
      );
      await gateway.chat('sk-tr-unknown', body('refused'));

      await using server = await startPrometheus(prometheus!, FOLDER, gateway.url);
      await eventually(async () => (await server.query('tokenrouter_requests_total')).length > 0, 'a scrape');
      await eventually(
        async () => (await server.query('sum(rate(tokenrouter_requests_total[1m]))')).length > 0,
        'a second scrape',
      );

      for (const { title, expr } of dashboardExpressions) {
        const filled = expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(provider|model)/g, '.*');
        const series = await server.query(filled);
        expect([title, expr, series.length > 0]).toEqual([title, expr, true]);
      }
      for (const { query } of dashboard.templating.list) {
        const label = /label_values\((.*), (\w+)\)/.exec(query.query.replaceAll('$provider', '.*'));
        const series = await server.query(label?.[1] ?? '');
        expect(series.every(({ metric }) => metric[label?.[2] ?? ''] !== undefined)).toBe(true);
      }

      await eventually(
        async () => (await server.rules()).every((rule) => rule.health === 'ok'),
        'rules evaluated',
      );
      const evaluated = await server.rules();
      expect(evaluated.map((rule) => rule.name).sort()).toEqual(rules.map((rule) => rule.alert).sort());
      expect(evaluated.filter((rule) => rule.state === 'firing')).toEqual([]);
    },
  );
});
