/** Claims that are true, claims that are not, and what lost memory excuses. */

import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { encodeRecord } from '../../../src/core/causality/record-codec.ts';
import { replicaId } from '../../../src/core/identity.ts';
import { recordKeyOf } from '../../../src/core/ring/record-key.ts';
import { sealValue } from '../../../src/storage/value-envelope.ts';
import { done, HandMadeHistory, seen } from '../../checkers/hand-made-history.ts';
import type { MemoryLoss, WriteAttempt } from '../../checkers/history.ts';
import { AcknowledgementObserver } from './acknowledgement-observer.ts';
import { DiskState } from './disk-state.ts';

const homes = ['n1', 'n2', 'n3'];
const recordKey = recordKeyOf('b', Buffer.from('k'));
const engineKey = Buffer.concat([Uint8Array.of(1, 0, 0), recordKey]);
/** What is written has the dot a2, and begins at 10. */
const nowMs = 100;

class Disks {
  readonly losses: MemoryLoss[] = [];
  readonly #states = new Map([...homes, 'n4'].map((node) => [node, new DiskState()]));
  readonly #observer = new AcknowledgementObserver({
    disks: new Map(
      [...this.#states].map(([node, state]) => [
        node,
        {
          entryNow: (key) => state.get(key)?.value,
          durableNow: (key) => state.durable(key)?.value,
        },
      ]),
    ),
    placeOf: () => ({ homes, engineKey, recordKey }),
    memoryLosses: this.losses,
    mayBeCollected: () => false,
    nowMs: () => nowMs,
  });

  /** The node holds what has seen the writes of replica a up to `counter`. */
  holds(node: string, counter: number, { synced = true, key = engineKey } = {}): this {
    const dot = { replica: replicaId(1), epoch: 1, counter };
    const version = {
      dot,
      clock: [],
      value: Uint8Array.of(1),
      writtenAt: 1,
      expiresAt: undefined,
      requestId: undefined,
    };
    const record = encodeRecord({ clock: [dot], versions: [version] }, crc32);
    return this.puts(node, sealValue(crc32, key, record), { synced, key });
  }

  puts(node: string, value: Uint8Array, { synced = true, key = engineKey } = {}): this {
    const state = this.#states.get(node) as DiskState;
    state.apply([{ kind: 'put', key, value }], 1);
    if (synced) state.sync();
    return this;
  }

  hints(node: string, home: string, options: { readonly synced: boolean } = { synced: true }): this {
    const key = Buffer.concat([Uint8Array.of(2, home.length), Buffer.from(home), recordKey]);
    return this.holds(node, 2, { ...options, key });
  }

  loses(node: string, atMs: number, lost: MemoryLoss['lost']): this {
    this.losses.push({ node, atMs, lost });
    return this;
  }

  /** Messages about the write, told at once; with `heal` also those at the end of the faults. */
  told(claim: Parameters<typeof done>[2], heal = false): readonly string[] {
    const outcome = done('a2', seen('a2'), claim);
    const history = new HandMadeHistory().put('v', 10, 90, 'a2', { outcome }).history();
    this.#observer.writeDone(history.attempts[0] as WriteAttempt);
    if (heal) this.#observer.faultsOver();
    return this.#observer.violations.map(({ checker, message }) => `${checker}: ${message}`);
  }
}

test('true claims', () => {
  expect(new Disks().holds('n1', 2).holds('n3', 2).told({ acked: 2, synced: 2 }, true)).toEqual([]);
  expect(
    new Disks().holds('n1', 2).holds('n3', 2, { synced: false }).told({ acked: 2, synced: 1 }, true),
  ).toEqual([]);
});

test('what superseded the version holds it', () => {
  expect(new Disks().holds('n1', 3).holds('n3', 5).told({ acked: 2, synced: 2 }, true)).toEqual([]);
});

test('a home that does not hold what it acknowledged', () => {
  const disks = new Disks().holds('n1', 2).holds('n2', 1);
  expect(disks.told({ acked: 2, synced: 1 })).toEqual([
    'acknowledgement-claims: put 1 of "v" by writer through n1 (QUORUM, 10 ms - 90 ms) was answered as 1/1/2: ' +
      '2 acknowledged, and only n1 of its homes hold it',
  ]);
});

test('no home counts that is none', () => {
  expect(new Disks().holds('n1', 2).holds('n4', 2).told({ acked: 2, synced: 1 })).toHaveLength(1);
});

test('a claimed fsync that did not happen, also over an older version that was fsynced', () => {
  const disks = new Disks().holds('n1', 2).holds('n2', 1).holds('n2', 2, { synced: false });
  expect(disks.told({ acked: 2, synced: 2 })).toEqual([
    expect.stringMatching(/2 had fsynced, and only n1 of its homes would keep it$/),
  ]);
});

test('a later batch that is not fsynced takes nothing from an earlier one that is', () => {
  const disks = new Disks().holds('n1', 2).holds('n2', 2).holds('n2', 3, { synced: false });
  expect(disks.told({ acked: 2, synced: 2 })).toEqual([]);
});

test('lost memory excuses one copy a home, from the beginning of the call', () => {
  const claim = { acked: 2, synced: 2 };
  expect(new Disks().holds('n1', 2).loses('n2', 20, 'everything').told(claim, true)).toEqual([]);
  expect(new Disks().holds('n1', 2).loses('n2', 5, 'everything').told(claim)).toHaveLength(2);
  expect(new Disks().holds('n1', 2).loses('n4', 20, 'everything').told(claim)).toHaveLength(2);
  const twice = new Disks().loses('n2', 20, 'everything').loses('n2', 30, 'recent');
  expect(twice.told(claim)).toHaveLength(2);
});

test('a loss of power excuses nothing that was fsynced', () => {
  const claim = { acked: 2, synced: 2 };
  expect(new Disks().holds('n1', 2).loses('n2', 20, 'unsynced').told(claim)).toEqual([
    expect.stringContaining('2 had fsynced'),
  ]);
  const buffered = { acked: 2, synced: 0 };
  expect(new Disks().holds('n1', 2).loses('n2', 20, 'unsynced').told(buffered, true)).toEqual([]);
});

test('hints are fsynced, one for each home, or delivered', () => {
  const claim = { acked: 0, synced: 0, hinted: 3, coordinator: 'n4' };
  const two = (): Disks => new Disks().hints('n4', 'n1').hints('n4', 'n2');
  expect(two().hints('n4', 'n3').told(claim)).toEqual([]);
  expect(two().holds('n3', 2).told(claim)).toEqual([]);
  const message = expect.stringMatching(/3 hints were kept, and only n1, n2 of its homes have one$/);
  expect(two().told(claim)).toEqual([message]);
  expect(two().hints('n4', 'n3', { synced: false }).told(claim)).toEqual([message]);
  expect(two().loses('n4', 20, 'everything').told(claim)).toEqual([]);
  expect(two().loses('n4', 20, 'unsynced').told(claim)).toEqual([message]);
});

test('at heal a copy is gone that nothing explains', () => {
  const disks = new Disks().holds('n1', 2).holds('n2', 2);
  expect(disks.told({ acked: 2, synced: 2 })).toEqual([]);
  disks.puts('n2', Uint8Array.of(1, 2, 3));
  expect(disks.told({ acked: 1, synced: 1 }, true)).toEqual([]);
  const message = expect.stringMatching(/copies-at-heal.* 2 must be left, and only n1 of its homes hold it/);
  expect(disks.holds('n2', 1).told({ acked: 1, synced: 1 }, true)).toEqual([message]);
});

test('a touch that found nothing claims nothing', () => {
  const outcome = done(undefined, seen(''), { acked: 3, synced: 3 });
  const observer = new AcknowledgementObserver({
    disks: new Map(),
    placeOf: () => ({ homes, engineKey, recordKey }),
    memoryLosses: [],
    mayBeCollected: () => false,
    nowMs: () => nowMs,
  });
  const history = new HandMadeHistory().touch(10, 90, undefined, { outcome }).history();
  observer.writeDone(history.attempts[0] as WriteAttempt);
  observer.faultsOver();
  expect(observer.violations).toEqual([]);
});
