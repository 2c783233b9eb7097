/**
 * What waits for its turn, with a fair share for everybody who asks: one queue for each owner, and one item of each in turn (Nagle,
 * On Packet Switches With Infinite Storage, RFC 970). An owner who asks for ten times as much waits longer by himself.
 *
 * Laws (test/property/overload.test.ts): items of one owner come out in their order; of two owners who both have items waiting,
 * neither gets two turns in a row; nothing is lost or doubled.
 */

interface Owner<Item> {
  items: (Item | undefined)[];
  /** Where the next one is: shifting an array costs its length. */
  next: number;
}

export class FairQueue<Item> {
  readonly #owners = new Map<object, Owner<Item>>();
  /** Those with items, in the order of their turns. */
  #turns: Owner<Item>[] = [];
  #nextTurn = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Places held for items, waiting ones and others: for the test that it stays bounded. */
  get slots(): number {
    let slots = this.#turns.length;
    for (const owner of this.#owners.values()) slots += owner.items.length;
    return slots;
  }

  push(by: object, item: Item): void {
    this.#size++;
    let owner = this.#owners.get(by);
    if (owner === undefined) {
      owner = { items: [], next: 0 };
      this.#owners.set(by, owner);
    }
    if (owner.next === owner.items.length) this.#turns.push(owner);
    owner.items.push(item);
  }

  /** Whose turn it is. `undefined`: nothing waits. */
  take(): Item | undefined {
    const owner = this.#turns[this.#nextTurn];
    if (owner === undefined) return undefined;
    this.#nextTurn++;
    this.#size--;
    const item = owner.items[owner.next] as Item;
    // What has had its turn is not kept alive, also by an owner whose queue is never empty.
    owner.items[owner.next++] = undefined;
    if (owner.next >= compactAfter && 2 * owner.next > owner.items.length) {
      owner.items.splice(0, owner.next);
      owner.next = 0;
    }
    if (owner.next < owner.items.length) this.#turns.push(owner);
    else {
      owner.items = [];
      owner.next = 0;
    }
    // Owners are connections, and come and go: those that are left when nothing waits are forgotten.
    if (this.#size === 0) this.#clear();
    else if (this.#nextTurn >= compactAfter) this.#compact();
    return item;
  }

  #clear(): void {
    this.#owners.clear();
    this.#turns = [];
    this.#nextTurn = 0;
  }

  #compact(): void {
    this.#turns = this.#turns.slice(this.#nextTurn);
    this.#nextTurn = 0;
    for (const [by, owner] of this.#owners) if (owner.items.length === 0) this.#owners.delete(by);
  }
}

/** Turns and items that are over are dropped in pieces of so many. */
const compactAfter = 1_024;
