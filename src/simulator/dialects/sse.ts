/** One server-sent event of data alone. */
export const dataEvent = (json: string): string => `data: ${json}\n\n`;

/** One server-sent event with a name. */
export const namedEvent = (name: string, json: string): string => `event: ${name}\ndata: ${json}\n\n`;

export const DONE_EVENT = 'data: [DONE]\n\n';

/** A comment that keeps a connection alive. */
export const KEEP_ALIVE_COMMENT = ': keep-alive\n\n';
