import { z } from 'zod';

/** The core of `tokenrouter.yaml`: what the environment cannot say. Made where there is a file: it is part of a start. */
export function fileSchema() {
  const baseUrl = z
    .string()
    .refine(
      (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
      'must be an http or https URL',
    );

  const account = z.strictObject({
    name: z.string().min(1).optional(),
    api_key: z.string().min(1).optional(),
    /** Name of an environment variable that holds the key, so that the file can be committed. */
    api_key_env: z.string().min(1).optional(),
  });

  const provider = z.strictObject({
    id: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be lower-case letters, digits, - or _ (32 at most)'),
    base_url: baseUrl.optional(),
    accounts: z.array(account).optional(),
    models: z.array(z.string().min(1)).optional(),
    stream_usage: z.boolean().optional(),
    prompt_cache_key: z.boolean().optional(),
  });

  return z.strictObject({
    providers: z.array(provider).optional(),
    aliases: z.record(z.string(), z.string().min(1)).optional(),
    default_provider: z.string().optional(),
  });
}

export type ConfigFile = z.output<ReturnType<typeof fileSchema>>;
