/** A message between proxy threads; `t` says what it is, and so whose. */
export interface PeerMessage {
  readonly t: string;
}

/** Another proxy thread. */
export interface Peer {
  readonly incarnation: number;
  /** To one that has died nothing is sent, and nobody is told. */
  send(message: PeerMessage): void;
}

/** Whoever talks with its like on the other proxy threads. */
export interface PeerListener<Message extends PeerMessage> {
  onMessage(from: Peer, message: Message): void;
  /** The thread is no peer any more, and nothing more will come from it. */
  onPeerDead(incarnation: number): void;
}

/**
 * One proxy thread's ports to all others, for everything on it that has something to say there.
 *
 * ```
 *   primary ── add, dead ──► PeerHub ◄── port ──► PeerHub of another thread
 *                              │ by `t`              one port, so what is sent to a thread arrives in that order
 *                          listeners
 * ```
 */
export class PeerHub {
  readonly #peers = new Map<number, PortPeer>();
  readonly #listeners = new Set<PeerListener<PeerMessage>>();
  /** By the `t` of a message. */
  readonly #receivers = new Map<string, PeerListener<PeerMessage>>();

  /** @param kinds every message that the listener takes; nobody else may take one of them. */
  register<Message extends PeerMessage>(
    kinds: Readonly<Record<Message['t'], true>>,
    listener: PeerListener<Message>,
  ): void {
    for (const kind of Object.keys(kinds)) {
      if (this.#receivers.has(kind)) throw new Error(`two listeners take messages "${kind}" of peers`);
      this.#receivers.set(kind, listener);
    }
    this.#listeners.add(listener);
  }

  add(incarnation: number, port: MessagePort): void {
    const peer = new PortPeer(incarnation, port);
    this.#peers.set(incarnation, peer);
    // Not `on`: a port that came by message has it only where node:worker_threads was loaded.
    port.onmessage = ({ data }: MessageEvent<PeerMessage>) =>
      this.#receivers.get(data.t)?.onMessage(peer, data);
  }

  /** A peer's thread has ended. It is gone from here before anybody is told: who looks for it again must not find it. */
  dead(incarnation: number): void {
    this.#peers.get(incarnation)?.close();
    this.#peers.delete(incarnation);
    for (const listener of this.#listeners) listener.onPeerDead(incarnation);
  }

  get(incarnation: number): Peer | null {
    return this.#peers.get(incarnation) ?? null;
  }

  close(): void {
    for (const peer of this.#peers.values()) peer.close();
  }
}

class PortPeer implements Peer {
  readonly incarnation: number;
  readonly #port: MessagePort;

  constructor(incarnation: number, port: MessagePort) {
    this.incarnation = incarnation;
    this.#port = port;
  }

  send(message: PeerMessage): void {
    this.#port.postMessage(message);
  }

  close(): void {
    this.#port.close();
  }
}
