const DEADLINE_MS = 10_000;

/** Waits for a condition; throws where it does not come true in good time. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  while (!condition()) {
    if (deadline.aborted) throw new Error('never came true');
    await Bun.sleep(1);
  }
}
