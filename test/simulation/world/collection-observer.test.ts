/** Records that are removed too early, or while others hold what they had superseded. */

import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Version } from '../../../src/core/causality/record.ts';
import { encodeRecord } from '../../../src/core/causality/record-codec.ts';
import { replicaId } from '../../../src/core/identity.ts';
import { recordKeyOf } from '../../../src/core/ring/record-key.ts';
import { Value } from '../../../src/gen/kindred/v1/types.ts';
import { sealValue } from '../../../src/storage/value-envelope.ts';
import type { MemoryLoss } from '../../checkers/history.ts';
import { CollectionObserver, hybridAheadMs } from './collection-observer.ts';
import type { DiskCopy } from './simulated-disk.ts';

const graceMs = 12_000;
const engineKey = Buffer.concat([Uint8Array.of(1, 0, 0), recordKeyOf('b', Buffer.from('k'))]);

type Listener = (key: Uint8Array, value: Uint8Array) => void;

/** Three homes of one key. Time is what a test says it is. */
class Homes {
  readonly losses: MemoryLoss[] = [];
  readonly #held = new Map<string, Uint8Array>();
  readonly #stored = new Map<string, Listener>();
  readonly #removed = new Map<string, Listener>();
  readonly #copied = new Map<string, (copy: DiskCopy) => void>();
  readonly #replaced = new Map<string, (copy: DiskCopy | undefined) => void>();
  readonly #observer: CollectionObserver;
  #nowMs = 0;

  constructor(clockErrorMs = 0) {
    const homes = ['n1', 'n2', 'n3'];
    const disks = homes.map((node) => {
      const disk = {
        onStored: (listener: Listener) => this.#stored.set(node, listener),
        onRecordRemoved: (listener: Listener) => this.#removed.set(node, listener),
        onCopied: (listener: (copy: DiskCopy) => void) => this.#copied.set(node, listener),
        onReplaced: (listener: (copy: DiskCopy | undefined) => void) => this.#replaced.set(node, listener),
        entryNow: () => this.#held.get(node),
      };
      return [node, disk] as const;
    });
    this.#observer = new CollectionObserver(
      {
        disks: new Map(disks),
        homesOf: () => homes,
        memoryLosses: this.losses,
        nowMs: () => this.#nowMs,
        clockErrorMsMax: () => clockErrorMs,
      },
      { graceMs, microsAtZero: 0 },
    );
  }

  value(node: string, atMs: number): this {
    const version = versionOf(1, { value: Value.encode(Value.create({ data: Buffer.from('v1') })).finish() });
    return this.#store(node, atMs, [version], 1);
  }

  /** A deletion that its writer's clock dates `writtenMs`, and that had seen the value. */
  tombstone(node: string, atMs: number, writtenMs: number): this {
    return this.#store(node, atMs, [versionOf(2, { writtenAt: writtenMs * 1_000 })], 2);
  }

  loses(node: string, atMs: number, lost: MemoryLoss['lost']): this {
    this.losses.push({ node, atMs, lost });
    return this;
  }

  /** The disk of the node is put back to what it is now when this is called. */
  copy(node: string): () => this {
    const copy: DiskCopy = { entries: new Map(), marks: [] };
    this.#copied.get(node)?.(copy);
    const value = this.#held.get(node) as Uint8Array;
    return () => {
      this.#held.set(node, value);
      this.#replaced.get(node)?.(copy);
      return this;
    };
  }

  empty(node: string): this {
    this.#replaced.get(node)?.(undefined);
    return this;
  }

  /** What is said of the removal. */
  removedAt(node: string, atMs: number): readonly string[] {
    this.#nowMs = atMs;
    const value = this.#held.get(node) as Uint8Array;
    this.#held.delete(node);
    this.#removed.get(node)?.(engineKey, value);
    expect(this.#observer.collected).toBe(1);
    return this.#observer.violations.map(({ message }) => message);
  }

  #store(node: string, atMs: number, versions: readonly Version[], counter: number): this {
    this.#nowMs = atMs;
    const record = encodeRecord({ clock: [{ replica: replicaId(1), epoch: 1, counter }], versions }, crc32);
    const value = sealValue(crc32, engineKey, record);
    this.#held.set(node, value);
    this.#stored.get(node)?.(engineKey, value);
    return this;
  }
}

function versionOf(counter: number, more: Partial<Version>): Version {
  return {
    dot: { replica: replicaId(1), epoch: 1, counter },
    clock: counter === 1 ? [] : [{ replica: replicaId(1), epoch: 1, counter: counter - 1 }],
    value: undefined,
    writtenAt: 0,
    expiresAt: undefined,
    requestId: undefined,
    ...more,
  };
}

test('an old tombstone that all homes hold may go', () => {
  const homes = new Homes().tombstone('n1', 1_000, 900).tombstone('n2', 1_000, 900);
  expect(homes.removedAt('n1', 14_000)).toEqual([]);
});

test('a tombstone whose replica has not held it for the grace', () => {
  const homes = new Homes().tombstone('n1', 5_000, 900);
  expect(homes.removedAt('n1', 14_000)).toEqual([
    'n1 removed b/k from its disk: it was stored there 9000 ms ago, and the grace is 12000 ms',
  ]);
});

test('a restored disk holds a tombstone since it came on the disk that was copied', () => {
  const homes = new Homes().tombstone('n1', 1_000, 900);
  const restore = homes.copy('n1');
  homes.tombstone('n1', 9_000, 901);
  expect(restore().removedAt('n1', 14_000)).toEqual([]);
});

test('a tombstone that came back to an emptied disk has not been there for the grace', () => {
  const homes = new Homes().tombstone('n1', 1_000, 900).empty('n1').tombstone('n1', 5_000, 900);
  expect(homes.removedAt('n1', 14_000)).toEqual([
    'n1 removed b/k from its disk: it was stored there 9000 ms ago, and the grace is 12000 ms',
  ]);
});

test('a deletion that is young by every clock', () => {
  expect(new Homes().tombstone('n1', 1_000, 9_000).removedAt('n1', 14_000)).toEqual([
    `n1 removed b/k from its disk: by no clock was it dead for longer than ${5_000 + hybridAheadMs} ms, and the grace is 12000 ms`,
  ]);
  expect(new Homes(7_000).tombstone('n1', 1_000, 9_000).removedAt('n1', 14_000)).toEqual([]);
});

test('another home holds what was deleted, and nothing will tell it', () => {
  const homes = (): Homes => new Homes().value('n3', 500).tombstone('n1', 1_000, 900);
  expect(homes().removedAt('n1', 14_000)).toEqual([
    'n1 removed b/k from its disk: n3 still holds 1/1/1 ("v1"), which it had superseded',
  ]);
  // Its old disk came back after the others had compared: whoever meets it refuses it.
  expect(homes().loses('n3', 13_000, 'recent').removedAt('n1', 14_000)).toEqual([]);
  expect(homes().loses('n3', 900, 'recent').removedAt('n1', 14_000)).toHaveLength(1);
  expect(homes().loses('n3', 13_000, 'unsynced').removedAt('n1', 14_000)).toHaveLength(1);
});

test('a value that lives', () => {
  expect(new Homes().value('n1', 500).removedAt('n1', 60_000)).toEqual([
    'n1 removed b/k from its disk: it holds values that live: 1/1/1 ("v1")',
  ]);
});
