/**
 * Sees every hint that a node removes from its disk: `hint-kept-until-confirmed` asks that its target then holds, on stable
 * storage, all that was in it. A hint that is dropped before shows in no other way where comparisons bring the replicas level.
 *
 * Not looked at where the grace is short, because hints grow too old and outdated there, which is for `acknowledged-not-lost`
 * to judge; nor where the target lost its disk, or its record has rotted.
 */

import { crc32 } from 'node:zlib';
import type { VersionedRecord } from '../../../src/core/causality/record.ts';
import { splitRecordKey } from '../../../src/core/ring/record-key.ts';
import { decodeHint } from '../../../src/storage/hint-format.ts';
import { openValue } from '../../../src/storage/value-envelope.ts';
import type { MemoryLoss, Violation } from '../../checkers/history.ts';
import { openedRecord } from './disk-observer.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

export interface HintObserverDependencies {
  readonly disks: ReadonlyMap<string, Pick<SimulatedDisk, 'onHintRemoved' | 'durableNow'>>;
  /** The engine key of a record. */
  readonly engineKeyOf: (bucket: string, key: string) => Uint8Array;
  /** Grows while the run goes on. */
  readonly memoryLosses: readonly MemoryLoss[];
  readonly nowMs: () => number;
}

export class HintObserver {
  readonly violations: Violation[] = [];
  readonly #deps: HintObserverDependencies;

  constructor(dependencies: HintObserverDependencies) {
    this.#deps = dependencies;
    for (const [holder, disk] of dependencies.disks) {
      disk.onHintRemoved((key, sealed) => this.#removed(holder, key, sealed));
    }
  }

  #removed(holder: string, hintKey: Uint8Array, sealed: Uint8Array): void {
    const payload = openValue(crc32, hintKey, sealed);
    const hint = payload === undefined ? undefined : decodeHint(payload);
    const hinted = hint === undefined ? undefined : openedRecord(hint.record);
    if (hinted === undefined) return;
    const nameEnd = 2 + (hintKey[1] as number);
    const target = new TextDecoder().decode(hintKey.subarray(2, nameEnd));
    const { memoryLosses, disks, engineKeyOf, nowMs } = this.#deps;
    if (memoryLosses.some(({ node, lost }) => node === target && lost !== 'unsynced')) return;
    const name = splitRecordKey(hintKey.subarray(nameEnd));
    const key = Buffer.from(name.key).toString('latin1');
    const engineKey = engineKeyOf(name.bucket, key);
    const stored = disks.get(target)?.durableNow(engineKey);
    const bytes = stored === undefined ? undefined : openValue(crc32, engineKey, stored);
    if (stored !== undefined && bytes === undefined) return;
    const held = bytes === undefined ? undefined : openedRecord(bytes);
    const missing = hinted.versions.find(({ dot }) => held === undefined || !knows(held, dot));
    if (missing === undefined) return;
    const { replica, epoch, counter } = missing.dot;
    this.violations.push({
      checker: 'hint-kept-until-confirmed',
      message: `${holder} removed its hint for ${target} of ${name.bucket}/${key}, and ${target} does not hold ${replica}/${epoch}/${counter} on stable storage`,
      bucket: name.bucket,
      key,
      attempts: [],
      atMs: nowMs(),
    });
  }
}

function knows(
  { clock, versions }: VersionedRecord,
  dot: VersionedRecord['versions'][number]['dot'],
): boolean {
  const isSame = (one: typeof dot): boolean => one.replica === dot.replica && one.epoch === dot.epoch;
  return (
    clock.some((entry) => isSame(entry) && entry.counter >= dot.counter) ||
    versions.some((version) => isSame(version.dot) && version.dot.counter === dot.counter)
  );
}
