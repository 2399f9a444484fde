import { sendError } from './chat.ts';
import type { Reply } from './http/reply.ts';
import type { HttpRequest } from './http/request-reader.ts';
import type { HttpHandler } from './http/server.ts';
import { addStats, type SimulatorStats } from './stats.ts';
import { vendorError } from './vendor-error.ts';
import { dialectOf } from './vendors.ts';

const JSON_TYPE = 'content-type: application/json\r\n';

/** How `/_sim/…` reaches the other simulators on the port, itself included. */
export interface SimulatorPeers {
  stats(): Promise<readonly SimulatorStats[]>;
  reset(): Promise<void>;
  advance(byMs: number): Promise<void>;
}

/** An error about the URL or the control call, in the words of the vendor that `path` belongs to. */
export function refuse(reply: Reply, path: string, status: number, message: string): void {
  sendError(reply, dialectOf(path), vendorError(status, message, 'unknown_url'), '');
}

/** `/_sim/stats`, `/_sim/reset`, `/_sim/clock` (`{"advanceMs": 1000}`). */
export function controlHandler(peers: SimulatorPeers): HttpHandler {
  const advanceBy = (request: HttpRequest): number => {
    try {
      const { advanceMs } = JSON.parse(request.body.toString()) as { readonly advanceMs?: unknown };
      return typeof advanceMs === 'number' && advanceMs >= 0 ? advanceMs : Number.NaN;
    } catch {
      return Number.NaN;
    }
  };
  const act = async (request: HttpRequest, reply: Reply): Promise<void> => {
    const { method, path } = request.head;
    const action = `${method} ${path.slice('/_sim/'.length)}`;
    if (action === 'POST reset') await peers.reset();
    else if (action === 'POST clock') {
      const byMs = advanceBy(request);
      if (Number.isNaN(byMs)) {
        refuse(reply, path, 400, 'Expected {"advanceMs": <a number, 0 or more>}.');
        return;
      }
      await peers.advance(byMs);
    } else if (action !== 'GET stats') {
      refuse(reply, path, 404, `Invalid URL (${method} ${path})`);
      return;
    }
    reply.send(200, JSON_TYPE, JSON.stringify(addStats(await peers.stats())));
  };
  return (request, reply) => {
    act(request, reply).catch((error: unknown) => refuse(reply, request.head.path, 500, String(error)));
  };
}
