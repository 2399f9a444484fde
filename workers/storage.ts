import { storageThread, type ToStorage } from '../src/storage/thread.ts';

// Thread entry: wiring only.
declare const self: Worker;

const receive = storageThread();
self.onmessage = (event: MessageEvent<ToStorage>) => receive(event.data);
