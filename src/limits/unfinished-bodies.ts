import { GatewayError } from '../errors/gateway-error.ts';
import type { BodyMeter } from '../server/incoming.ts';
import { BODY, MAX_BODY_ROWS, type SharedMemory } from '../shared/memory-map.ts';

/** Smaller bodies always enter, and are not counted. */
const FREE_BYTES = 64 * 1024;
/** Room is taken in steps, before the bytes have come. */
const STEP_BYTES = 256 * 1024;

/** The request whose body it is. */
export interface BodySource {
  resumeBody(): void;
  endBody(error: Error): void;
}

export interface BodyLimits {
  /** Over all threads and keys. */
  readonly maxBytes: number;
  /** The largest body that there may be. */
  readonly maxBodyBytes: number;
  /** Unlike those of the thread's predecessors: what was meant for one of their bodies must find none. */
  readonly firstBirth: number;
}

/** A body that is whole, and counted until it has been worked on. */
export interface KeptBody {
  /** It has been worked on, or nobody wants it any more; without effect from the second time on, and once it was doomed. */
  release(): void;
}

/** What holds a row. */
interface Counted {
  readonly owner: number;
  /** -1: it is not counted. */
  row: number;
  /** Makes room for others: it gives its row back. */
  end(): void;
}

/** A row of one thread's table, and which of the bodies that it has had. */
interface Row {
  readonly worker: number;
  readonly row: number;
  readonly birth: number;
}

const NOBODY: readonly Row[] = [];

interface Survey {
  /** Whose body has to end; null: nobody's. */
  readonly victim: Row | null;
  /** Who is doomed and has to have gone before there is room. */
  readonly leaving: readonly Row[];
}

/**
 * What unfinished request bodies hold, over all threads: a client that begins a large body and leaves it must not fill the memory,
 * nor take room from others. Large ones that are whole can go on being counted until they have been worked on ({@link UnfinishedBodies.keep}).
 *
 * ```
 *   bodies[worker][row]   owner (key slot + 1) | bytes | birth | doomed
 *   bodyBytes[worker]     their sum
 *
 *   a body grows:  take the room it wants in the own row → sum over all threads, but for what is doomed
 *                    its key over its share        → victim: the key's largest body
 *                    all over the limit            → victim: the largest body of the key that holds most
 *                    neither                       → go on, or where there is no room without the doomed: once they have gone
 *   victim on this thread → ends now (408)       on another → doomed = its birth
 * ```
 *
 * A body that waits keeps what it has taken: who comes later has others end, or the body that waits, but does not get the room that
 * was made for that. So nobody waits for longer than the threads of its victims take to obey, and whether a victim waits itself makes
 * no difference: it ends. What is doomed counts as gone, so two who look for room at the same time doom the same body, and another
 * one only where that is not enough.
 *
 * Each thread writes its own rows, but for `doomed`: who wants a body of another thread ended names it there by its `birth`, which no
 * later body of the row has, and its thread obeys within a beat. A key's share is a quarter, and one body of the largest size at least.
 */
export class UnfinishedBodies {
  readonly #memory: SharedMemory;
  readonly #worker: number;
  readonly #maxBytes: number;
  readonly #shareBytes: number;
  /** By row; null: free. */
  readonly #own: (Counted | null)[] = [];
  readonly #waiting = new Set<Metered>();
  #births: number;

  constructor(memory: SharedMemory, worker: number, limits: BodyLimits) {
    this.#memory = memory;
    this.#worker = worker;
    this.#maxBytes = limits.maxBytes;
    this.#shareBytes = Math.max(limits.maxBytes / 4, limits.maxBodyBytes);
    this.#births = limits.firstBirth;
  }

  /** Counts a body of the key at `slot` from now on. */
  open(source: BodySource, slot: number): BodyMeter {
    this.#memory.bodiesOpen[this.#worker]! += 1;
    return new Metered(this, source, slot + 1);
  }

  /**
   * Counts a whole body of `bytes` from now on. Its memory is there already, so it never waits, and may be over the limit for as long
   * as another thread takes to end its victim. Where it is itself the one to go, now or later, `onDoomed` gets the error for its
   * client: once, never before this has returned, and not after its release.
   */
  keep(slot: number, bytes: number, onDoomed: (error: GatewayError) => void): KeptBody {
    const body = new Kept(this, slot + 1, onDoomed);
    this.#memory.bodiesOpen[this.#worker]! += 1;
    // Without a free row there are so many that this one makes no difference.
    if (this.#enter(body)) {
      this.#hold(body, bytes);
      this.#makeRoom(body);
    }
    return body;
  }

  /** Obeys other threads, and lets those go on that wait for room; to be called with every beat. */
  look(): void {
    for (let row = 0; row < this.#own.length; row++) if (this.#isDoomed(row)) this.#own[row]?.end();
    for (const body of this.#waiting) {
      const hasRoom = body.row < 0 ? this.grow(body, body.wantedBytes) : this.#goesOn(body);
      if (hasRoom) body.source.resumeBody();
    }
  }

  /** Whether the body may hold so many bytes; if not it has ended, or waits. */
  grow(body: Metered, bytes: number): boolean {
    body.wantedBytes = bytes;
    if (body.row < 0 && !this.#enter(body)) {
      this.#waiting.add(body);
      return false;
    }
    if (this.#isDoomed(body.row)) {
      body.end();
      return false;
    }
    const taken = this.#words[body.row * BODY.words + BODY.bytes]!;
    if (bytes > taken) {
      const wanted = Math.min(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES, Math.max(bytes, this.#shareBytes));
      this.#hold(body, wanted);
      body.waitsFor = this.#makeRoom(body);
      if (body.row < 0) return false;
      this.#waiting.add(body);
    }
    return this.#goesOn(body);
  }

  /** The body is whole and not kept, or never will be, or has been worked on. */
  close(body: Counted): void {
    this.#memory.bodiesOpen[this.#worker]! -= 1;
    this.leave(body);
  }

  /** The body holds nothing any more. */
  leave(body: Counted): void {
    if (body instanceof Metered) this.#waiting.delete(body);
    const { row } = body;
    if (row < 0) return;
    this.#hold(body, 0);
    body.row = -1;
    this.#own[row] = null;
    this.#words[row * BODY.words + BODY.owner] = 0;
    let rows = this.#own.length;
    while (rows > 0 && this.#own[rows - 1] === null) rows--;
    this.#own.length = rows;
    Atomics.store(this.#memory.bodyRows, this.#worker, rows);
  }

  get #words(): Float64Array {
    return this.#memory.bodies[this.#worker]!;
  }

  #enter(body: Counted): boolean {
    let row = this.#own.indexOf(null);
    if (row < 0) row = this.#own.length;
    if (row === MAX_BODY_ROWS) return false;
    const table = this.#memory.bodies[this.#worker]!;
    if ((row + 1) * BODY.words > table.length)
      table.buffer.grow(Math.min(MAX_BODY_ROWS, row * 2) * BODY.words * 8);
    const at = row * BODY.words;
    table[at + BODY.bytes] = 0;
    table[at + BODY.birth] = ++this.#births;
    table[at + BODY.owner] = body.owner;
    this.#own[row] = body;
    body.row = row;
    Atomics.store(this.#memory.bodyRows, this.#worker, this.#own.length);
    return true;
  }

  #hold(body: Counted, bytes: number): void {
    const at = body.row * BODY.words + BODY.bytes;
    this.#memory.bodyBytes[this.#worker]! += bytes - this.#words[at]!;
    this.#words[at] = bytes;
  }

  /** Whether all have gone for whom the body waits, and it has what it has taken. */
  #goesOn(body: Metered): boolean {
    const { bodies } = this.#memory;
    const stays = ({ worker, row, birth }: Row): boolean => {
      const at = row * BODY.words;
      return bodies[worker]![at + BODY.birth] === birth && bodies[worker]![at + BODY.owner]! > 0;
    };
    if (body.waitsFor.some(stays)) return false;
    body.waitsFor = NOBODY;
    body.roomBytes = this.#words[body.row * BODY.words + BODY.bytes]!;
    this.#waiting.delete(body);
    return true;
  }

  #isDoomed(row: number): boolean {
    const at = row * BODY.words;
    return this.#words[at + BODY.doomed] === this.#words[at + BODY.birth];
  }

  /** Ends whose bodies have to, now that `body` has taken what it wants, itself perhaps; answers who must have gone for it to have that. */
  #makeRoom(body: Counted): readonly Row[] {
    while (body.row >= 0) {
      const { victim, leaving } = this.#survey(body.owner);
      if (victim === null) return leaving;
      if (victim.worker === this.#worker) this.#own[victim.row]!.end();
      else this.#memory.bodies[victim.worker]![victim.row * BODY.words + BODY.doomed] = victim.birth;
    }
    return NOBODY;
  }

  #survey(owner: number): Survey {
    const { bodyBytes, workers } = this.#memory;
    let total = 0;
    for (let worker = 0; worker < workers; worker++) total += bodyBytes[worker]!;
    // As a rule all of them are less than one key may have.
    if (total <= this.#shareBytes) return { victim: null, leaving: NOBODY };
    const held = new Map<number, number>();
    const largest = new Map<number, Row & { readonly bytes: number }>();
    const leaving: Row[] = [];
    let staying = 0;
    let ownersLeaving = 0;
    this.#each((place, of, bytes, doomed) => {
      if (doomed) {
        leaving.push(place);
        if (of === owner) ownersLeaving += bytes;
        return;
      }
      staying += bytes;
      held.set(of, (held.get(of) ?? 0) + bytes);
      if (bytes > (largest.get(of)?.bytes ?? 0)) largest.set(of, { ...place, bytes });
    });
    const owners = held.get(owner) ?? 0;
    if (owners > this.#shareBytes) return { victim: largest.get(owner) ?? null, leaving };
    if (staying > this.#maxBytes) {
      let heaviest = owner;
      for (const [of, bytes] of held) if (bytes > (held.get(heaviest) ?? 0)) heaviest = of;
      return { victim: largest.get(heaviest) ?? null, leaving };
    }
    const fits = owners + ownersLeaving <= this.#shareBytes && total <= this.#maxBytes;
    return { victim: null, leaving: fits ? NOBODY : leaving };
  }

  #each(visit: (place: Row, owner: number, bytes: number, doomed: boolean) => void): void {
    const { bodies, bodyRows, workers } = this.#memory;
    for (let worker = 0; worker < workers; worker++) {
      const words = bodies[worker]!;
      const rows = Atomics.load(bodyRows, worker);
      for (let row = 0; row < rows; row++) {
        const at = row * BODY.words;
        // First of all: the row may change hands at any time, and what is read of its next body must not be held against that.
        const birth = words[at + BODY.birth]!;
        const owner = words[at + BODY.owner]!;
        if (owner > 0)
          visit({ worker, row, birth }, owner, words[at + BODY.bytes]!, words[at + BODY.doomed] === birth);
      }
    }
  }
}

/** One body that is coming. */
class Metered implements BodyMeter, Counted {
  readonly #bodies: UnfinishedBodies;
  readonly source: BodySource;
  readonly owner: number;
  row = -1;
  /** What it may hold. */
  roomBytes = FREE_BYTES;
  /** What it holds, where that is more. */
  wantedBytes = 0;
  /** Who must have gone before it may hold what it has taken in its row. */
  waitsFor: readonly Row[] = NOBODY;

  constructor(bodies: UnfinishedBodies, source: BodySource, owner: number) {
    this.#bodies = bodies;
    this.source = source;
    this.owner = owner;
  }

  holds(bytes: number): boolean {
    return bytes <= this.roomBytes || this.#bodies.grow(this, bytes);
  }

  done(): void {
    this.#bodies.close(this);
  }

  end(): void {
    this.source.endBody(overBudget());
    // Where nobody reads it any more, it is over anyway.
    this.#bodies.leave(this);
  }
}

class Kept implements KeptBody, Counted {
  readonly #bodies: UnfinishedBodies;
  readonly #onDoomed: (error: GatewayError) => void;
  readonly owner: number;
  row = -1;
  #counted = true;
  #released = false;

  constructor(bodies: UnfinishedBodies, owner: number, onDoomed: (error: GatewayError) => void) {
    this.#bodies = bodies;
    this.owner = owner;
    this.#onDoomed = onDoomed;
  }

  release(): void {
    this.#released = true;
    this.#close();
  }

  end(): void {
    this.#close();
    // Whoever needed the room is in the middle of taking it: what the owner does about this is no part of that.
    queueMicrotask(() => {
      if (!this.#released) this.#onDoomed(overBudget());
    });
  }

  #close(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.#bodies.close(this);
  }
}

const overBudget = (): GatewayError =>
  new GatewayError(
    'bodies_over_budget',
    'Large request bodies that are unfinished or wait for their turn hold as much as they may (BODIES_MAX_BYTES), and this was the largest of the key that holds most: send each all at once, and one after the other.',
    { retryAfterS: 1 },
  );
