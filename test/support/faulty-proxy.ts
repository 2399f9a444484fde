/// <reference lib="webworker" />
// The proxy thread's entry with faults on request, for tests of supervision.
import '../../workers/proxy.ts';

declare const self: Worker;

const receive = self.onmessage;
let deaf = false;
self.onmessage = (event: MessageEvent<{ type: string }>): void => {
  if (deaf) return;
  if (event.data.type === 'fault:deaf') deaf = true;
  if (event.data.type === 'fault:hang') for (;;);
  if (event.data.type === 'fault:throw') throw new Error('thrown on request');
  if (event.data.type === 'fault:exit') process.exit(3);
  receive?.call(self, event);
};
