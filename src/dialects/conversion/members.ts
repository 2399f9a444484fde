import { Kind, type JsonDocument } from '../../std/json/document.ts';
import { IntList } from '../../std/json/int-list.ts';
import { KeyTable } from '../../std/json/keys.ts';

/**
 * The members of one kind of object, found by name in one pass over its keys. A member that is null counts as absent, as
 * both dialects have it; of several of one name the last that is none counts. Filled anew by every {@link read}: who descends keeps the nodes he still needs.
 */
export class Members<const Name extends string = string> {
  readonly #table: KeyTable;
  readonly #nodes: Int32Array;
  /** Key nodes of the members that have none of the names, nulls apart. */
  readonly others = new IntList();

  constructor(names: readonly Name[]) {
    this.#table = new KeyTable(names);
    this.#nodes = new Int32Array(names.length);
  }

  get names(): readonly string[] {
    return this.#table.names;
  }

  /** To be asked once, for {@link at}. */
  index(name: Name): number {
    return this.#table.names.indexOf(name);
  }

  read(document: JsonDocument, object: number): void {
    const nodes = this.#nodes.fill(-1);
    this.others.clear();
    const end = document.next(object);
    for (let key = object + 1; key < end; key = document.next(key + 1)) {
      if (document.kind(key + 1) === Kind.Null) continue;
      const index = this.#table.find(document, key);
      if (index >= 0) nodes[index] = key + 1;
      else this.others.push(key);
    }
  }

  /** Value node of a member of the object read last, -1 when it is absent or null. */
  at(index: number): number {
    return this.#nodes[index]!;
  }

  /** {@link at} by name, for what is read once per request. */
  named(name: Name): number {
    return this.at(this.index(name));
  }
}
