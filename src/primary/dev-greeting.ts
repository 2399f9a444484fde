/** A model of each built-in vendor for the first request. */
const FIRST_MODEL: Readonly<Record<string, string>> = {
  deepseek: 'deepseek-flash',
  openai: 'gpt-4o-mini',
  anthropic: 'claude-haiku-4-5',
};

/** What `make dev` prints: a request that works when pasted. `vendors` null: the bundled simulator answers. */
export async function printDevGreeting(options: {
  readonly base: string;
  readonly vendors: readonly string[] | null;
}): Promise<void> {
  const { base, vendors } = options;
  const answer = await fetch(`${base}/admin/api-keys`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'make dev', quota_usd: 10 }),
    signal: AbortSignal.timeout(10_000),
  });
  if (!answer.ok) {
    console.error(`could not make a client key: ${await answer.text()}`);
    return;
  }
  const { key } = (await answer.json()) as { key: string };
  if (vendors === null) console.log('no vendor key is set: answers come from the bundled vendor simulator');
  const model = vendors?.map((id) => FIRST_MODEL[id]).find((one) => one !== undefined) ?? 'deepseek-flash';
  console.log(`
Try it:

curl -s ${base}/v1/chat/completions \\
  -H 'authorization: Bearer ${key}' \\
  -H 'content-type: application/json' \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hello."}]}'
`);
}
