/**
 * Walks an LMDB file before LMDB maps it. LMDB has no checksums and trusts every page number, offset and length it reads: one
 * flipped bit can end the process with a signal, lead a search astray or hand out a page twice. So the structure is proven
 * here first: the two meta pages agree, every page of both trees is well-formed, keys ascend, counters match, and no page is
 * used twice or free and used. What this cannot see is a flipped bit inside a key or a value that leaves the order intact;
 * the checksum around each value finds that. Format: mdb.c of LMDB 0.9.90 (data version 2), as lmdb-js ships it.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { compareBytes } from '../core/bytes.ts';
import { damagedError } from './engine-failure.ts';

const headerLength = 24;
const metaMagic = 0xbeefc0de;
const dataVersion = 2;
const pageFlags = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;
const nodeHeaderLength = 8;
const bigData = 1;
const bigDataLength = 24;
const noRoot = -1;
const depthMax = 32;

interface Tree {
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  readonly root: number;
}

interface Meta {
  readonly pageLength: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly lastPage: number;
  readonly transaction: number;
}

/** Throws EngineError `damaged` saying what is wrong. With `pages: false` only the meta pages are looked at. */
export async function checkBtreeFile(path: string, options: { readonly pages: boolean }): Promise<void> {
  const file = openIfThere(path);
  if (file === undefined) return;
  try {
    if (fstatSync(file).size > 0) new BtreeCheck(file, path).run(options.pages);
  } finally {
    closeSync(file);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

class BtreeCheck {
  readonly #file: number;
  readonly #path: string;
  #meta!: Meta;
  #used!: Uint8Array;

  constructor(file: number, path: string) {
    this.#file = file;
    this.#path = path;
  }

  run(pages: boolean): void {
    this.#meta = this.#newestMeta();
    if (!pages) return;
    this.#used = new Uint8Array(Math.ceil((this.#meta.lastPage + 1) / 8));
    this.#use(0);
    this.#use(1);
    this.#walk('main', this.#meta.main, compareBytes, () => undefined);
    const lists: Buffer[] = [];
    this.#walk('free-list', this.#meta.free, compareIntegers, (value) => lists.push(value));
    for (const list of lists) this.#useFreeList(list);
  }

  #newestMeta(): Meta {
    // Page 0 tells the page size; a wrong one leaves page 1 unreadable.
    const first = this.#metaAt(0, 0);
    const second = this.#metaAt(1, first.pageLength);
    const difference = Math.abs(first.transaction - second.transaction);
    // Transaction n writes meta page n modulo 2, so two neighbours stand here; in a file just made, two zeros.
    const inTurn = difference === 1 && first.transaction % 2 === 0 && second.transaction % 2 === 1;
    const justMade = first.transaction === 0 && second.transaction === 0;
    if (first.pageLength !== second.pageLength || !(inTurn || justMade))
      throw this.#damaged('the meta pages disagree');
    return first.transaction > second.transaction ? first : second;
  }

  #metaAt(index: number, offset: number): Meta {
    const page = this.#read(offset, 192);
    const field = (at: number): number => this.#integer(page, headerLength + at);
    const pageLength = page.readUInt32LE(headerLength + 24);
    const sound =
      this.#integer(page, 0) === index &&
      page.readUInt16LE(18) === pageFlags.meta &&
      page.readUInt32LE(headerLength) === metaMagic &&
      page.readUInt32LE(headerLength + 4) === dataVersion &&
      page.readUInt16LE(headerLength + 28) === 8 && // MDB_INTEGERKEY, the free list's
      page.readUInt16LE(headerLength + 76) === 0 &&
      [4096, 8192, 16384, 32768, 65536].includes(pageLength);
    if (!sound) throw this.#damaged(`meta page ${index} is unreadable`);
    return {
      pageLength,
      free: this.#tree(page, headerLength + 24),
      main: this.#tree(page, headerLength + 72),
      lastPage: field(120),
      transaction: field(128),
    };
  }

  #tree(page: Buffer, at: number): Tree {
    const root =
      page.readBigUInt64LE(at + 40) === 0xffff_ffff_ffff_ffffn ? noRoot : this.#integer(page, at + 40);
    return {
      depth: page.readUInt16LE(at + 6),
      branchPages: this.#integer(page, at + 8),
      leafPages: this.#integer(page, at + 16),
      overflowPages: this.#integer(page, at + 24),
      entries: this.#integer(page, at + 32),
      root,
    };
  }

  /** Visits every entry of a tree in order and compares what it counted with the tree's own counters. */
  #walk(
    name: string,
    tree: Tree,
    compare: (a: Uint8Array, b: Uint8Array) => number,
    visit: (value: Buffer) => void,
  ): void {
    let branchPages = 0;
    let leafPages = 0;
    let overflowPages = 0;
    let entries = 0;
    let previous: Buffer | undefined;

    const page = (
      number: number,
      depth: number,
      lower: Buffer | undefined,
      upper: Buffer | undefined,
    ): void => {
      this.#use(number);
      const bytes = this.#read(number * this.#meta.pageLength, this.#meta.pageLength);
      const isLeaf = depth === tree.depth;
      const { nodes } = this.#nodesOf(bytes, number, isLeaf);
      if (isLeaf) leafPages++;
      else branchPages++;
      nodes.forEach((node, index) => {
        const isLeast = !isLeaf && index === 0;
        // A branch's first key is not looked at by searches: whatever is below the second goes there.
        const key = isLeast ? lower : node.key;
        if (key !== undefined && !isLeast) {
          const before = index > 0 && !(index === 1 && !isLeaf) ? nodes[index - 1]?.key : undefined;
          if (before !== undefined && compare(before, key) >= 0)
            throw this.#damaged(`keys out of order in page ${number}`);
          if (lower !== undefined && compare(key, lower) < 0)
            throw this.#damaged(`a key in page ${number} is too small`);
          if (upper !== undefined && compare(key, upper) >= 0)
            throw this.#damaged(`a key in page ${number} is too great`);
        }
        if (!isLeaf) {
          page(node.child, depth + 1, key, nodes[index + 1]?.key ?? upper);
          return;
        }
        if (previous !== undefined && compare(previous, node.key) >= 0) {
          throw this.#damaged(`keys out of order in page ${number}`);
        }
        previous = node.key;
        entries++;
        if (node.overflow === undefined) {
          visit(node.value);
          return;
        }
        const { first, count } = node.overflow;
        overflowPages += count;
        visit(this.#overflow(first, count, node.valueLength, number));
      });
    };

    if ((tree.root === noRoot) !== (tree.depth === 0) || tree.depth > depthMax) {
      throw this.#damaged(`the ${name} tree has no root`);
    }
    if (tree.root !== noRoot) page(tree.root, 1, undefined, undefined);
    if (
      branchPages !== tree.branchPages ||
      leafPages !== tree.leafPages ||
      overflowPages !== tree.overflowPages ||
      entries !== tree.entries
    ) {
      throw this.#damaged(`the ${name} tree has not the pages and entries that it counts`);
    }
  }

  #nodesOf(bytes: Buffer, number: number, isLeaf: boolean): { nodes: Node[] } {
    const { pageLength, transaction, lastPage } = this.#meta;
    const pointersLength = bytes.readUInt16LE(20);
    const upper = bytes.readUInt16LE(22);
    const sound =
      this.#integer(bytes, 0) === number &&
      this.#integer(bytes, 8) <= transaction &&
      bytes.readUInt16LE(18) === (isLeaf ? pageFlags.leaf : pageFlags.branch) &&
      pointersLength % 2 === 0 &&
      pointersLength >= (isLeaf ? 2 : 4) &&
      pointersLength <= upper &&
      upper <= pageLength - headerLength;
    if (!sound) throw this.#damaged(`page ${number} is unreadable`);
    const nodes: Node[] = [];
    let filled = 0;
    for (let at = headerLength; at < headerLength + pointersLength; at += 2) {
      const start = bytes.readUInt16LE(at) + headerLength;
      if (start < upper + headerLength || start + nodeHeaderLength > pageLength || start % 2 !== 0) {
        throw this.#damaged(`page ${number} has an entry outside of it`);
      }
      const low = bytes.readUInt16LE(start) + bytes.readUInt16LE(start + 2) * 0x1_0000;
      const flags = bytes.readUInt16LE(start + 4);
      const keyEnd = start + nodeHeaderLength + bytes.readUInt16LE(start + 6);
      const overflow = isLeaf && flags === bigData;
      const storedLength = isLeaf ? (overflow ? bigDataLength : low) : 0;
      const end = keyEnd + storedLength;
      if (end > pageLength || (isLeaf && flags !== 0 && !overflow)) {
        throw this.#damaged(`page ${number} has an unreadable entry`);
      }
      filled += end - start + ((end - start) % 2);
      nodes.push({
        key: bytes.subarray(start + nodeHeaderLength, keyEnd),
        child: isLeaf ? 0 : low + flags * 0x1_0000_0000,
        value: bytes.subarray(keyEnd, end),
        valueLength: low,
        overflow: overflow
          ? { first: this.#integer(bytes, keyEnd), count: this.#integer(bytes, keyEnd + 16) }
          : undefined,
      });
      const last = nodes.at(-1) as Node;
      if (last.child > lastPage) throw this.#damaged(`page ${number} leads behind the last page`);
    }
    if (filled !== pageLength - headerLength - upper)
      throw this.#damaged(`the entries of page ${number} overlap`);
    return { nodes };
  }

  #overflow(first: number, count: number, length: number, from: number): Buffer {
    const { pageLength, lastPage } = this.#meta;
    // More pages than needed are sound: a shorter value may have replaced a longer one in place.
    if (first + count - 1 > lastPage || count * pageLength < headerLength + length) {
      throw this.#damaged(`page ${from} has a large value of the wrong length`);
    }
    for (let page = first; page < first + count; page++) this.#use(page);
    const bytes = this.#read(first * pageLength, headerLength + length);
    const sound =
      this.#integer(bytes, 0) === first &&
      bytes.readUInt16LE(18) === pageFlags.overflow &&
      bytes.readUInt32LE(20) === count;
    if (!sound) throw this.#damaged(`page ${first} is no large value`);
    return bytes.subarray(headerLength);
  }

  /** A list of page numbers after their count; -n before a number stands for n pages from there, 0 for nothing. */
  #useFreeList(list: Buffer): void {
    const count = list.length >= 8 ? list.readBigInt64LE(0) : -1n;
    if (count < 0n || count > BigInt(list.length / 8 - 1))
      throw this.#damaged('the list of free pages is unreadable');
    let run = 1;
    for (let index = 1; index <= Number(count); index++) {
      const entry = Number(list.readBigInt64LE(index * 8));
      if (entry < 0) {
        run = -entry;
        continue;
      }
      if (entry > 0) for (let page = entry; page < entry + run; page++) this.#use(page);
      run = 1;
    }
  }

  #use(page: number): void {
    if (!(page >= 0 && page <= this.#meta.lastPage))
      throw this.#damaged(`page ${page} lies behind the last page`);
    const mask = 1 << (page & 7);
    const byte = this.#used[page >> 3] as number;
    if (byte & mask) throw this.#damaged(`page ${page} is used twice`);
    this.#used[page >> 3] = byte | mask;
  }

  #read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    let filled = 0;
    while (filled < length) {
      const got = readSync(this.#file, bytes, filled, length - filled, offset + filled);
      if (got === 0) throw this.#damaged('it ends before its last page');
      filled += got;
    }
    return bytes;
  }

  #integer(bytes: Buffer, at: number): number {
    const value = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
    if (value > Number.MAX_SAFE_INTEGER) throw this.#damaged('a number is out of bounds');
    return value;
  }

  #damaged(detail: string): Error {
    return damagedError(this.#path, detail);
  }
}

interface Node {
  readonly key: Buffer;
  /** Page of the subtree, in a branch. */
  readonly child: number;
  /** What is stored in the page itself, in a leaf. */
  readonly value: Buffer;
  readonly valueLength: number;
  readonly overflow: { readonly first: number; readonly count: number } | undefined;
}

/** The free list's keys: 64-bit integers as this machine writes them. */
function compareIntegers(a: Uint8Array, b: Uint8Array): number {
  for (let i = 7; i >= 0; i--) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
