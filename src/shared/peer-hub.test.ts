import { afterEach, describe, expect, test } from 'bun:test';
import { PeerHub, type PeerListener, type PeerMessage } from './peer-hub.ts';
import { until } from '../std/testing/until.ts';

interface Note extends PeerMessage {
  readonly text: string;
}
const KINDS = { note: true, shout: true } as const;

/** Notes what its hub tells it. */
class Ear implements PeerListener<Note> {
  readonly heard: string[] = [];
  onDead: (incarnation: number) => void = () => {};

  onMessage(from: { readonly incarnation: number }, { t, text }: Note): void {
    this.heard.push(`${from.incarnation} ${t} ${text}`);
  }

  onPeerDead(incarnation: number): void {
    this.heard.push(`${incarnation} dead`);
    this.onDead(incarnation);
  }
}

const open: PeerHub[] = [];
afterEach(() => {
  for (const hub of open.splice(0)) hub.close();
});

/** Hubs of threads 1 and 2, linked, with an ear each. */
function two() {
  const sides = [1, 2].map(() => {
    const hub = new PeerHub();
    const ear = new Ear();
    hub.register<Note>(KINDS, ear);
    open.push(hub);
    return { ear, hub };
  });
  const [one, other] = sides as [(typeof sides)[0], (typeof sides)[0]];
  const { port1, port2 } = new MessageChannel();
  one.hub.add(2, port1);
  other.hub.add(1, port2);
  return { one, other };
}

describe('PeerHub', () => {
  test('a message arrives with its sender at who takes its kind, in the order of sending; others are dropped', async () => {
    const { one, other } = two();
    const second = new Ear();
    other.hub.register<Note>({ hum: true }, second);
    const peer = one.hub.get(2)!;
    peer.send({ t: 'nobody takes this' });
    const messages = [
      { t: 'note', text: 'a' },
      { t: 'hum', text: 'b' },
      { t: 'shout', text: 'c' },
    ];
    for (const message of messages) peer.send(message);
    await until(() => other.ear.heard.length === 2);
    expect(other.ear.heard).toEqual(['1 note a', '1 shout c']);
    expect(second.heard).toEqual(['1 hum b']);
    expect(one.ear.heard).toEqual([]);
  });

  test('a kind of message has one taker', () => {
    const { one } = two();
    expect(() => one.hub.register<Note>(KINDS, new Ear())).toThrow('two listeners take messages "note"');
  });

  test('a dead peer is gone before anybody is told, and all are', () => {
    const { one } = two();
    const second = new Ear();
    one.hub.register<Note>({ hum: true }, second);
    const found: unknown[] = [];
    one.ear.onDead = (incarnation) => found.push(one.hub.get(incarnation));
    const peer = one.hub.get(2)!;
    one.hub.dead(2);
    expect(found).toEqual([null]);
    expect(one.ear.heard).toEqual(['2 dead']);
    expect(second.heard).toEqual(['2 dead']);
    // Who still holds it need not look first.
    peer.send({ t: 'note' });
  });

  test('the death of a thread that never was a peer is told, too', () => {
    const { one } = two();
    one.hub.dead(9);
    expect(one.ear.heard).toEqual(['9 dead']);
    expect(one.hub.get(9)).toBeNull();
  });

  test('nothing is heard of a dead peer that goes on talking', async () => {
    const { one, other } = two();
    const peer = other.hub.get(1)!;
    one.hub.dead(2);
    const late: Note = { t: 'note', text: 'late' };
    peer.send(late);
    // A message of another channel, sent later, says that this one would have come.
    const { port1, port2 } = new MessageChannel();
    one.hub.add(3, port1);
    port2.postMessage({ t: 'note', text: 'of the living' });
    await until(() => one.ear.heard.length > 1);
    expect(one.ear.heard).toEqual(['2 dead', '3 note of the living']);
    port2.close();
  });
});
