import { eventually, type Gateway } from './gateway.ts';

/** A key as `GET /admin/api-keys/:id` shows it. */
export interface KeyView {
  readonly id: string;
  readonly quota_usd: number | null;
  readonly spent_usd: number;
  readonly held_usd: number;
  readonly last_used_at: string | null;
  readonly [field: string]: unknown;
}

export async function keyView(gateway: Gateway, id: string): Promise<KeyView> {
  const response = await gateway.admin('GET', `/admin/api-keys/${id}`);
  if (response.status !== 200) throw new Error(`no such key: ${response.status}`);
  return (await response.json()) as KeyView;
}

/** What a key has spent once none of its calls is under way. */
export async function settledUsd(gateway: Gateway, id: string): Promise<number> {
  await eventually(async () => (await gateway.metric('in_flight')) === 0, 'nothing in flight');
  await eventually(async () => (await keyView(gateway, id)).held_usd === 0, 'nothing held');
  return (await keyView(gateway, id)).spent_usd;
}
