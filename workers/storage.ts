import { storageThread, type FromStorage, type ToStorage } from '../src/storage/thread.ts';

// Thread entry: wiring only.
declare const self: Worker;

const receive = storageThread((message: FromStorage) => postMessage(message));
self.onmessage = (event: MessageEvent<ToStorage>) => receive(event.data);
