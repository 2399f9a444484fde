import type { DialectHeaders } from '../types.ts';

/** OpenAI API reference, "Debugging requests"; guide "Rate limits", "Rate limits in headers". */
export const openAiHeaders: DialectHeaders = {
  forwardedOf: () => '',
  defaults: '',
  told: {
    firstLimit: 'x-ratelimit-limit-requests',
    limits: ['limit', 'remaining', 'reset'].flatMap((figure) =>
      ['requests', 'tokens'].map((what) => `x-ratelimit-${figure}-${what}`),
    ),
    requestId: 'x-request-id',
  },
  requestIdLine: () => '',
};
