import { metricsThread, type FromMetrics, type ToMetrics } from '../src/telemetry/thread.ts';

// Thread entry: wiring only.
declare const self: Worker;

const receive = metricsThread((message: FromMetrics) => postMessage(message));
self.onmessage = (event: MessageEvent<ToMetrics>) => receive(event.data);
