/** When to come back, in the words of both vendors' SDKs. */
export const RETRY_HINTS = ['retry-after', 'retry-after-ms', 'x-should-retry'] as const;
