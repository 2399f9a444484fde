const TIMEOUT_MS = 10_000;

/** A gateway as a command or `make dev` talks to it. */
export interface AdminTarget {
  /** Without a slash at its end. */
  readonly url: string;
  /** '': none is sent. */
  readonly token: string;
}

/**
 * One admin call; resolves with the answer's JSON, null where there is none. Rejects with what to tell the user.
 *
 * Straight to the gateway, whatever proxy the environment names: a proxy for the way to the vendors must not see the token.
 * A redirect is not followed, for the same reason.
 */
export async function callAdmin(
  { token, url }: AdminTarget,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (token !== '') headers['authorization'] = `Bearer ${token}`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url}${path}`, {
      method,
      headers,
      proxy: false,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await response.text();
  } catch (error) {
    throw new Error(`no gateway answers at ${url}`, { cause: error });
  }
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`what answers at ${url} is no tokenrouter`, { cause: error });
  }
}
