/** Questions under way to another thread, each with a deadline. */
export class Pending<Answer> {
  readonly #waiting = new Map<
    number,
    { resolve: (answer: Answer) => void; timer: ReturnType<typeof setTimeout> }
  >();
  readonly #deadlineMs: number;
  #lastId = 0;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  /** `send` gets the id that the answer must carry. Rejects at the deadline. */
  ask(send: (id: number) => void): Promise<Answer> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error('a thread of the simulator does not answer'));
      }, this.#deadlineMs);
      this.#waiting.set(id, { resolve, timer });
      send(id);
    });
  }

  answer(id: number, answer: Answer): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.resolve(answer);
  }
}
