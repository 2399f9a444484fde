import { localAuthority } from './address.ts';
import { commandSchema } from './environment.ts';
import { ConfigError, faultsOf } from './load.ts';

/** What a command needs to talk to a running gateway. */
export interface CommandSettings {
  /** Without a slash at its end. */
  readonly url: string;
  /** undefined: the text of `dataDir`'s file, if it is there. */
  readonly adminToken: string | undefined;
  readonly dataDir: string;
}

/**
 * Reads what a command is told by its environment, each variable as the gateway does. One that it does not need cannot stop
 * it: neither those of the gateway alone, nor where this listens once TOKENROUTER_URL says it. Throws {@link ConfigError}.
 */
export function readCommandSettings(
  variables: Readonly<Record<string, string | undefined>>,
): CommandSettings {
  const { shape } = commandSchema;
  const placed = shape.TOKENROUTER_URL.safeParse(variables['TOKENROUTER_URL']).data !== undefined;
  const result = commandSchema.safeParse(
    placed ? { ...variables, PORT: undefined, HOST: undefined } : variables,
  );
  if (!result.success) throw new ConfigError(faultsOf(result.error, ''));
  const { ADMIN_TOKEN, DATA_DIR, HOST, PORT, TOKENROUTER_URL } = result.data;
  if (TOKENROUTER_URL === undefined && PORT === 0)
    throw new ConfigError(['PORT: 0 does not say where the gateway is; set TOKENROUTER_URL']);
  return {
    url: (TOKENROUTER_URL ?? `http://${localAuthority(HOST, PORT)}`).trim().replace(/\/+$/, ''),
    adminToken: ADMIN_TOKEN,
    dataDir: DATA_DIR,
  };
}
