import { CHAT_PATH, VENDOR_KEY, type Gateway } from './types.ts';

/** No gateway: what generator, upstream and machine cost by themselves. */
export const direct: Gateway = {
  name: 'direct',
  start: (settings) =>
    Promise.resolve({
      port: settings.upstreamPort,
      path: CHAT_PATH,
      headers: [['authorization', `Bearer ${VENDOR_KEY}`]],
      child: null,
    }),
};
