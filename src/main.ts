import { Command } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { spawnEarly } from './threads/spawn.ts';

// Each command loads what it needs and nothing else: a start is a tenth of a second, and most of it is loading.

/** An option's value, or the end of the process with a word about it. */
function wholeNumber(option: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  console.error(`${option} must be a whole number, not ${text}`);
  return process.exit(1);
}

const program = new Command('tokenrouter')
  .description('Self-hosted LLM gateway: warm caches, no redundant calls, every dollar shown')
  .version(packageJson.version);

program
  .command('serve', { isDefault: true })
  .description('run the gateway (configuration: environment and TOKENROUTER_CONFIG)')
  .option(
    '--dev',
    'bind to loopback, start the bundled simulator when no vendor is configured, print a first request',
  )
  .action(async (options: { dev?: boolean }) => {
    spawnEarly(process.env['WORKERS']);
    const { runServe } = await import('./primary/serve.ts');
    await runServe({ dev: options.dev ?? false });
  });

const keys = program.command('keys').description('manage API keys of a running gateway');
keys
  .command('create')
  .description('make an API key; it is shown once')
  .requiredOption('--name <name>', 'what the key is for')
  .option('--quota-usd <usd>', 'how much it may spend')
  .action(async (options: { name: string; quotaUsd?: string }) =>
    (await import('./admin/command.ts')).runKeysCreate(options),
  );
keys
  .command('list')
  .description('list API keys')
  .action(async () => (await import('./admin/command.ts')).runKeysList());
keys
  .command('revoke')
  .description('revoke an API key')
  .argument('<id>')
  .action(async (id: string) => (await import('./admin/command.ts')).runKeysRevoke(id));

program
  .command('simulate')
  .description('run the vendor simulator')
  .option('--port <port>', 'port, 0 for any', '9901')
  .option('--host <host>', 'address to bind', '127.0.0.1')
  .option('--fast', 'for load tests: no cache model, small answers of a fixed shape')
  .option('--threads <count>', 'threads that share the port', '1')
  .action(async (options: { port: string; host: string; fast?: boolean; threads: string }) => {
    const { runSimulator } = await import('./simulator/cli.ts');
    await runSimulator({
      port: wholeNumber('--port', options.port),
      host: options.host,
      fast: options.fast ?? false,
      threads: wholeNumber('--threads', options.threads),
    });
  });

await program.parseAsync();
