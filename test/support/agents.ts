import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FOLDER = join(import.meta.dir, '../agents');
const MODULES = join(FOLDER, 'node_modules');
/** Claude Code is a program of its own, in a package for each platform. */
const CLAUDE_CODE = join(MODULES, `@anthropic-ai/claude-code-${process.platform}-${process.arch}`, 'claude');
const PI = join(MODULES, '@mariozechner/pi-coding-agent/dist/cli.js');
const INSTALL_TIMEOUT_MS = 180_000;
/** Of one launch; all take a few seconds. */
const LAUNCH_TIMEOUT_MS = 40_000;

/**
 * Installs the agents as locked in `test/agents`, which costs nothing once they are there. Answers why they are not there;
 * null: they are. A check that lacks them has not checked, so with CI set it throws.
 */
export async function agentsMissing(): Promise<string | null> {
  const command = [
    process.execPath,
    'install',
    '--cwd',
    FOLDER,
    '--frozen-lockfile',
    '--ignore-scripts',
    '--no-progress',
  ];
  const child = Bun.spawn(command, {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    timeout: INSTALL_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const [errors, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  const lacking = [CLAUDE_CODE, PI].filter((path) => !existsSync(path));
  // Without a network, what was installed before will do.
  if (lacking.length === 0) return null;
  const reason = `${lacking.join(', ')} could not be installed (exit ${code}): ${errors.trim().slice(-500)}`;
  if ((process.env['CI'] ?? '') !== '') throw new Error(reason);
  return reason;
}

/** What an agent is pointed at. */
export interface AgentTarget {
  readonly url: string;
  readonly key: string;
  readonly model: string;
}

/** How an agent is started. */
interface Launch {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** An agent's program. */
export interface Agent {
  readonly name: string;
  /** Its tool that runs shell commands. */
  readonly shell: string;
  /** `home` is empty but for what was put there before. */
  launch(target: AgentTarget, home: string, prompt: string, again: boolean): Launch;
}

export const claudeCode: Agent = {
  name: 'Claude Code',
  shell: 'Bash',
  launch: ({ key, model, url }, _home, prompt, again) => ({
    command: [
      CLAUDE_CODE,
      ...(again ? ['--continue'] : []),
      '--print',
      prompt,
      '--output-format',
      'json',
      '--allowedTools',
      'Bash,Read',
    ],
    env: {
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_AUTH_TOKEN: key,
      ANTHROPIC_MODEL: model,
      ANTHROPIC_SMALL_FAST_MODEL: model,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_TELEMETRY: '1',
      DISABLE_ERROR_REPORTING: '1',
    },
  }),
};

export const pi: Agent = {
  name: 'pi',
  shell: 'bash',
  launch: ({ key, model, url }, home, prompt, again) => {
    const provider = {
      baseUrl: `${url}/v1`,
      api: 'openai-completions',
      apiKey: key,
      models: [{ id: model }],
    };
    writeFileSync(join(home, 'models.json'), JSON.stringify({ providers: { tokenrouter: provider } }));
    const options = ['--provider', 'tokenrouter', '--model', model, ...(again ? ['--continue'] : [])];
    return {
      command: [process.execPath, PI, ...options, '--print', prompt],
      env: { PI_CODING_AGENT_DIR: home, PI_OFFLINE: '1', PI_TELEMETRY: '0' },
    };
  },
};

/** A place of its own for an agent: home, temporary files, working folder. */
export class AgentHome implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tokenrouter-agent-'));
  readonly #programs = join(this.#folder, 'bin');

  constructor() {
    mkdirSync(this.#programs);
  }

  /** Puts a shell script where the agent's shell finds it. */
  script(name: string, text: string): void {
    const path = join(this.#programs, name);
    writeFileSync(path, `#!/bin/sh\n${text}`);
    chmodSync(path, 0o755);
  }

  /** A file that the agent's tools have left. */
  text(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8');
  }

  /** Runs the agent to its end, with nothing of the test's own environment but what finds programs; answers its output. */
  async run(agent: Agent, target: AgentTarget, prompt: string, again: boolean): Promise<string> {
    const home = this.#folder;
    const { command, env } = agent.launch(target, home, prompt, again);
    const child = Bun.spawn([...command], {
      cwd: home,
      env: { PATH: `${this.#programs}:${process.env['PATH'] ?? ''}`, HOME: home, TMPDIR: home, ...env },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: LAUNCH_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    const [output, errors, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (code !== 0) throw new Error(`${agent.name} exited with ${code}:\n${output}\n${errors}`);
    return output;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
