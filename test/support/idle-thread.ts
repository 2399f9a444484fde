/// <reference lib="webworker" />
// A thread that never gets going.
addEventListener('message', () => {});
