import { preparerThread, type FromPreparer, type ToPreparer } from '../src/preparer/thread.ts';

// Thread entry: wiring only.
declare const self: Worker;

const receive = preparerThread((message: FromPreparer) => postMessage(message));
self.onmessage = (event: MessageEvent<ToPreparer>) => receive(event.data);
