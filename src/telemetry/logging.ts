import type { Logger } from 'pino';

/** Where a thread says what its operator should know: fields, then a sentence. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * JSON lines on standard output, synchronous: no thread or file of its own, so it works inside the built binary.
 *
 * The library behind it is loaded with the first line: most threads never write one, and loading it was a fifth of a start.
 */
export function createLogger(level: string, thread: string): Log {
  let open: Logger | null = null;
  const logger = (): Logger => (open ??= openLogger(level, thread));
  return {
    info: (fields, message) => logger().info(fields, message),
    warn: (fields, message) => logger().warn(fields, message),
    error: (fields, message) => logger().error(fields, message),
  };
}

function openLogger(level: string, thread: string): Logger {
  // An import would load it at once or later than the line.
  const { pino } = require('pino') as typeof import('pino');
  return pino(
    {
      level,
      base: { thread },
      redact: ['authorization', '*.authorization', 'apiKey', '*.apiKey', '["x-api-key"]', '*["x-api-key"]'],
    },
    pino.destination({ dest: 1, sync: true }),
  );
}
