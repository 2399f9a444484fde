/// <reference lib="webworker" />
// A thread that cannot start, and would live on.
addEventListener('message', ({ data }: MessageEvent<{ type: string }>) => {
  if (data.type === 'start') postMessage({ type: 'failed', message: 'on request' });
});
setInterval(() => {}, 1_000);
