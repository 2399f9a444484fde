/** Place of an item in at most one {@link LinkedList}. */
export interface Linked<T> {
  previous: T | null;
  next: T | null;
}

/** Doubly linked through its items: push, and removal from anywhere, in constant time and without allocation. */
export class LinkedList<T extends Linked<T>> {
  first: T | null = null;
  last: T | null = null;
  size = 0;

  /** Of items that are in this list or in none. */
  has(item: T): boolean {
    return item.previous !== null || this.first === item;
  }

  push(item: T): void {
    item.previous = this.last;
    item.next = null;
    if (this.last === null) this.first = item;
    else this.last.next = item;
    this.last = item;
    this.size++;
  }

  /** The item must be in this list. */
  remove(item: T): void {
    if (item.previous === null) this.first = item.next;
    else item.previous.next = item.next;
    if (item.next === null) this.last = item.previous;
    else item.next.previous = item.previous;
    item.previous = null;
    item.next = null;
    this.size--;
  }
}
