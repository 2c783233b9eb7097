/** Hints that are removed when their target holds what was in them, and others. */

import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { encodeRecord } from '../../../src/core/causality/record-codec.ts';
import { nodeId, replicaId } from '../../../src/core/identity.ts';
import { recordKeyOf } from '../../../src/core/ring/record-key.ts';
import { encodeHint, hintKeyOf } from '../../../src/storage/hint-format.ts';
import { sealValue } from '../../../src/storage/value-envelope.ts';
import type { MemoryLoss } from '../../checkers/history.ts';
import { HintObserver } from './hint-observer.ts';

const recordKey = recordKeyOf('b', Buffer.from('k'));
const engineKey = Buffer.concat([Uint8Array.of(1, 0, 0), recordKey]);
const hintKey = hintKeyOf(nodeId('n2'), recordKey);

function recordOf(counter: number): Uint8Array {
  const dot = { replica: replicaId(1), epoch: 1, counter };
  const deletion = {
    dot,
    clock: [],
    value: undefined,
    writtenAt: 1,
    expiresAt: undefined,
    requestId: undefined,
  };
  return encodeRecord({ clock: [dot], versions: [deletion] }, crc32);
}

/** What is said when n1 removes a hint for n2 that has seen two writes. `held`: how many n2 has on stable storage. */
function removed(held: number | undefined, memoryLosses: readonly MemoryLoss[] = []): readonly string[] {
  let remove: (key: Uint8Array, value: Uint8Array) => void = () => {};
  const stored = held === undefined ? undefined : sealValue(crc32, engineKey, recordOf(held));
  const disk = (node: string) => ({
    onHintRemoved: (listener: typeof remove) => {
      if (node === 'n1') remove = listener;
    },
    durableNow: () => (node === 'n2' ? stored : undefined),
  });
  const disks = new Map(['n1', 'n2'].map((node) => [node, disk(node)]));
  const observer = new HintObserver({ disks, engineKeyOf: () => engineKey, memoryLosses, nowMs: () => 7 });
  const hint = {
    record: recordOf(2),
    keptAtMicros: 1,
    receiverMark: 0,
    counted: true,
    madeHere: true,
    unsent: false,
  };
  remove(hintKey, sealValue(crc32, hintKey, encodeHint(hint)));
  return observer.violations.map(({ message }) => message);
}

test('a target that holds what was in the hint, or what came after it', () => {
  expect(removed(2)).toEqual([]);
  expect(removed(3)).toEqual([]);
});

test('a target that does not', () => {
  const message = 'n1 removed its hint for n2 of b/k, and n2 does not hold 1/1/2 on stable storage';
  expect(removed(1)).toEqual([message]);
  expect(removed(undefined)).toEqual([message]);
});

test('a target that lost its disk is not looked at, and one that lost its power is', () => {
  expect(removed(1, [{ node: 'n2', atMs: 5, lost: 'everything' }])).toEqual([]);
  expect(removed(1, [{ node: 'n2', atMs: 5, lost: 'unsynced' }])).toHaveLength(1);
});
