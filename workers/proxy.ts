/// <reference lib="webworker" />
import { stackOf } from '../src/std/thrown.ts';
import { startProxyThread } from '../src/gateway/thread.ts';
import type { FromProxy, ToProxy } from '../src/threads/messages.ts';

// Thread entry: wiring only. The first message carries everything the thread needs.
declare const self: Worker;

const send = (message: FromProxy): void => postMessage(message);
let receive: ((message: ToProxy) => void) | null = null;

self.onmessage = (event: MessageEvent<ToProxy>) => {
  const message = event.data;
  if (message.type !== 'start') {
    receive?.(message);
    return;
  }
  try {
    receive = startProxyThread(message, send);
  } catch (error) {
    send({
      type: 'failed',
      message: stackOf(error),
    });
  }
};
