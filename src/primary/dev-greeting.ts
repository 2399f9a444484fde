import { messageOf } from '../std/thrown.ts';
import { callAdmin, type AdminTarget } from '../admin/call.ts';

/** A model of each built-in vendor for the first request. */
const FIRST_MODEL: Readonly<Record<string, string>> = {
  deepseek: 'deepseek-flash',
  openai: 'gpt-4o-mini',
  anthropic: 'claude-haiku-4-5',
};

/** By these `curl` takes a proxy even to loopback. */
const CURL_PROXY = ['http_proxy', 'all_proxy', 'ALL_PROXY'];

const TRUST =
  'admin calls from this machine need no token (made to localhost or 127.0.0.1, by no web page and through no proxy);\n' +
  'anything on this machine that passes on requests from elsewhere can undo that: use `tokenrouter serve` behind it';

/**
 * What `make dev` prints: whom it trusts, and a request that works when pasted. `vendors` null: the bundled simulator
 * answers. A gateway that cannot greet serves nonetheless.
 */
export async function printDevGreeting(
  gateway: AdminTarget,
  vendors: readonly string[] | null,
): Promise<void> {
  console.log(TRUST);
  if (vendors === null) console.log('no vendor key is set: answers come from the bundled vendor simulator');
  let key: string;
  try {
    ({ key } = (await callAdmin(gateway, 'POST', '/admin/api-keys', {
      name: 'make dev',
      quota_usd: 10,
    })) as { key: string });
  } catch (error) {
    const reason = messageOf(error);
    console.error(`could not make a client key, make one yourself (the gateway is serving): ${reason}`);
    return;
  }
  const model = vendors?.map((id) => FIRST_MODEL[id]).find((one) => one !== undefined) ?? 'deepseek-flash';
  const direct = CURL_PROXY.some((name) => (process.env[name] ?? '') !== '') ? " --noproxy '*'" : '';
  console.log(`
Try it:

curl -s${direct} ${gateway.url}/v1/chat/completions \\
  -H 'authorization: Bearer ${key}' \\
  -H 'content-type: application/json' \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hello."}]}'
`);
}
