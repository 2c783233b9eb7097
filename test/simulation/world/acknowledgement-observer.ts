/**
 * Compares what an acknowledgement claims with the disks, at the moment a client hears of it: "acked 2, synced 2" must be
 * true then, whatever becomes of the nodes later. Only somebody who sees every disk can tell; a history cannot.
 *
 * `acknowledgement-claims`: at least `acked` homes hold the version in what a restart of their processes would find, at least
 * `synced` in what a loss of power would leave, and at least `hinted` homes have a hint that is fsynced (or hold the version
 * fsynced themselves, because the hint was delivered). A record holds a version whose dot its clock covers: what superseded
 * it has seen it.
 *
 * `copies-at-heal`: when the faults end, before anybody reads or repairs, each acknowledged write is still on as many homes as
 * `copies-left.ts` counts. A damaged record counts as one that holds it: it says that it is damaged.
 *
 * A home that lost memory since the call began may have lost this; power takes only what was not fsynced. A node that
 * lost its disk lost the hints it kept, and nothing is claimed for them.
 */

import { crc32 } from 'node:zlib';
import type { VersionedRecord } from '../../../src/core/causality/record.ts';
import { decodeHint } from '../../../src/storage/hint-format.ts';
import { openValue } from '../../../src/storage/value-envelope.ts';
import { attemptText } from '../../checkers/attempt-text.ts';
import { copiesLeft, lossesOfHomes } from '../../checkers/copies-left.ts';
import type { KeyHistory, MemoryLoss, Violation, WriteAttempt } from '../../checkers/history.ts';
import type { DoneWrite } from '../../checkers/known-versions.ts';
import { openedRecord } from './disk-observer.ts';
import { keyPrefix } from './simulated-disk.ts';

/** What is on a node's disk under an engine key; `durable`: what would be there after a loss of power now. */
export interface ObservedDisk {
  entryNow(key: Uint8Array): Uint8Array | undefined;
  durableNow(key: Uint8Array): Uint8Array | undefined;
}

/** Where a key's records are. */
export interface KeyPlace {
  readonly homes: readonly string[];
  readonly engineKey: Uint8Array;
  readonly recordKey: Uint8Array;
}

export interface AcknowledgementObserverDependencies {
  readonly disks: ReadonlyMap<string, ObservedDisk>;
  readonly placeOf: (bucket: string, key: string) => KeyPlace;
  /** Grows while the run goes on. */
  readonly memoryLosses: readonly MemoryLoss[];
  /** True when a tombstone that had seen the write may be gone by then: nobody has to know of the write any more. */
  readonly mayBeCollected: (write: DoneWrite, nowMs: number) => boolean;
  readonly nowMs: () => number;
}

/** What a disk knows of a dot. */
type Holding = 'holds' | 'lacks' | 'damaged';

export class AcknowledgementObserver {
  readonly violations: Violation[] = [];
  readonly #deps: AcknowledgementObserverDependencies;
  readonly #writes: DoneWrite[] = [];

  constructor(dependencies: AcknowledgementObserverDependencies) {
    this.#deps = dependencies;
  }

  /** A client hears that its write succeeded. Call it in the event in which it does. */
  writeDone(attempt: WriteAttempt): void {
    if (attempt.outcome.kind !== 'done' || attempt.outcome.dot === undefined) return;
    const write = attempt as DoneWrite;
    this.#writes.push(write);
    const { acked, synced, hinted, coordinator } = write.outcome;
    const place = this.#deps.placeOf(write.bucket, write.key);
    const losses = this.#lossesOf(write, place).filter(({ atMs }) => atMs >= write.invokedMs);
    const lost = new Set(losses.map(({ node }) => node)).size;
    const ofFsynced = losses.filter((loss) => loss.lost !== 'unsynced');
    const lostFsynced = new Set(ofFsynced.map(({ node }) => node)).size;

    const holding = place.homes.filter((node) => this.#home(node, place, write, 'entryNow') === 'holds');
    if (holding.length < acked - lost) {
      this.#violate('acknowledgement-claims', write, `${acked} acknowledged`, 'hold it', holding, lost);
    }
    const isDurable = (node: string): boolean => this.#home(node, place, write, 'durableNow') === 'holds';
    const durable = synced + hinted === 0 ? [] : place.homes.filter(isDurable);
    if (durable.length < synced - lostFsynced) {
      this.#violate(
        'acknowledgement-claims',
        write,
        `${synced} had fsynced`,
        'would keep it',
        durable,
        lostFsynced,
      );
    }
    if (hinted === 0 || this.#lostItsDisk(coordinator, write.invokedMs)) return;
    const reached = place.homes.filter(
      (home) => durable.includes(home) || this.#isHinted(home, place, write),
    );
    const excused = lostFsynced + this.#standInsLost(place, write.invokedMs);
    if (reached.length < hinted - excused) {
      this.#violate(
        'acknowledgement-claims',
        write,
        `${hinted} hints were kept`,
        'have one',
        reached,
        excused,
      );
    }
  }

  /** The faults are over, and nothing was repaired since. */
  faultsOver(): void {
    const nowMs = this.#deps.nowMs();
    for (const write of this.#writes) {
      const { acked, synced } = write.outcome;
      if (acked === 0 || this.#deps.mayBeCollected(write, nowMs)) continue;
      const place = this.#deps.placeOf(write.bucket, write.key);
      const losses = this.#lossesOf(write, place);
      const left = copiesLeft(losses, place.homes.length, { acked, synced }, write.invokedMs, nowMs);
      const holding = place.homes.filter((node) => this.#home(node, place, write, 'entryNow') !== 'lacks');
      if (holding.length >= left) continue;
      const claim = `${acked} acknowledged (${synced} fsynced), of which ${left} must be left`;
      this.#violate('copies-at-heal', write, claim, 'hold it when the faults end', holding, 0);
    }
  }

  #lossesOf({ bucket, key }: DoneWrite, { homes }: KeyPlace): readonly MemoryLoss[] {
    const named: Pick<KeyHistory, 'bucket' | 'key' | 'homes'> = { bucket, key, homes };
    return lossesOfHomes(named, { memoryLosses: this.#deps.memoryLosses });
  }

  /** Nodes that are no homes, and lost the hints that they kept for others. */
  #standInsLost({ homes }: KeyPlace, sinceMs: number): number {
    const lost = this.#deps.memoryLosses.filter(
      (loss) => !homes.includes(loss.node) && loss.lost !== 'unsynced' && loss.atMs >= sinceMs,
    );
    return new Set(lost.map(({ node }) => node)).size;
  }

  #lostItsDisk(holder: string, sinceMs: number): boolean {
    return this.#deps.memoryLosses.some(
      ({ node, atMs, lost }) => node === holder && lost !== 'unsynced' && atMs >= sinceMs,
    );
  }

  #home(node: string, { engineKey }: KeyPlace, write: DoneWrite, view: keyof ObservedDisk): Holding {
    const sealed = this.#deps.disks.get(node)?.[view](engineKey);
    return holdingOf(engineKey, sealed, write);
  }

  #isHinted(home: string, { recordKey }: KeyPlace, write: DoneWrite): boolean {
    const id = new TextEncoder().encode(home);
    const hintKey = new Uint8Array(2 + id.length + recordKey.length);
    hintKey.set([keyPrefix.hint, id.length]);
    hintKey.set(id, 2);
    hintKey.set(recordKey, 2 + id.length);
    for (const disk of this.#deps.disks.values()) {
      const sealed = disk.durableNow(hintKey);
      const payload = sealed === undefined ? undefined : openValue(crc32, hintKey, sealed);
      const hint = payload === undefined ? undefined : decodeHint(payload);
      const record = hint === undefined ? undefined : openedRecord(hint.record);
      if (record !== undefined && knows(record, write.outcome.dot as string)) return true;
    }
    return false;
  }

  #violate(
    checker: string,
    write: DoneWrite,
    claim: string,
    what: string,
    nodes: readonly string[],
    lost: number,
  ): void {
    const { bucket, key, id, outcome } = write;
    const who = nodes.length === 0 ? 'no home' : `only ${nodes.join(', ')}`;
    const excused = lost === 0 ? '' : `, though only ${lost} lost memory since`;
    const message = `${attemptText(write)} was answered as ${outcome.dot}: ${claim}, and ${who} of its homes ${what}${excused}`;
    this.violations.push({ checker, message, bucket, key, attempts: [id], atMs: this.#deps.nowMs() });
  }
}

function holdingOf(engineKey: Uint8Array, sealed: Uint8Array | undefined, write: DoneWrite): Holding {
  if (sealed === undefined) return 'lacks';
  const bytes = openValue(crc32, engineKey, sealed);
  const record = bytes === undefined ? undefined : openedRecord(bytes);
  if (record === undefined) return 'damaged';
  return knows(record, write.outcome.dot as string) ? 'holds' : 'lacks';
}

function knows({ clock, versions }: VersionedRecord, name: string): boolean {
  const [replica, epoch, counter] = name.split('/').map(Number) as [number, number, number];
  return (
    clock.some((entry) => entry.replica === replica && entry.epoch === epoch && entry.counter >= counter) ||
    versions.some(({ dot }) => dot.replica === replica && dot.epoch === epoch && dot.counter === counter)
  );
}
