import { createServer } from 'node:net';

/**
 * Takes the port alone once and lets it go. The proxy threads share it (`reusePort`), and with that option a second
 * process would start without an error and take half of the traffic; this way it fails, by name.
 */
export function claimPort(host: string, port: number): Promise<void> {
  if (port === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        new Error(
          taken
            ? `port ${port} on ${host} is in use: another instance of tokenrouter, or another program, holds it (set PORT)`
            : `cannot listen on ${host}:${port}: ${error.message}`,
        ),
      );
    });
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}
