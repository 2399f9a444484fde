import { pino, type Logger } from 'pino';

/** JSON lines on standard output, synchronous: no thread or file of its own, so it works inside the built binary. */
export function createLogger(level: string, thread: string): Logger {
  return pino(
    {
      level,
      base: { thread },
      redact: ['authorization', '*.authorization', 'apiKey', '*.apiKey', '["x-api-key"]', '*["x-api-key"]'],
    },
    pino.destination({ dest: 1, sync: true }),
  );
}
