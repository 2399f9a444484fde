/** How long a client may be silent while it sends its request, or between two of them. */
export const CLIENT_IDLE_S = 120;

/** Sets how long the client of a request may be silent, in seconds; 0: for ever. Bun's server is one. */
export interface ClientDeadlines {
  timeout(request: Request, seconds: number): void;
}
