/** Sees every record that any replica stores: what clients never see of a run, and checkers want to know. */

import { crc32 } from 'node:zlib';
import { MalformedError } from '../../../src/core/binary.ts';
import type { Version, VersionedRecord } from '../../../src/core/causality/record.ts';
import { decodeRecord } from '../../../src/core/causality/record-codec.ts';
import type { VectorClock } from '../../../src/core/causality/vector-clock.ts';
import { splitRecordKey } from '../../../src/core/ring/record-key.ts';
import { Value } from '../../../src/gen/kindred/v1/types.ts';
import { openValue } from '../../../src/storage/value-envelope.ts';
import type { ClockEntries, ReplicaState, SeenVersion, WitnessedVersion } from '../../checkers/history.ts';
import { valueText } from '../../workload/value-text.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

const recordPrefix = 0x01;
const headerLength = 3;

type Witnessed = WitnessedVersion & { alsoStoredBy: string | undefined };

/** When the last version of a record is dead: its deadline, or the time of the deletion. `undefined`: never. */
export function deadSinceMicros(versions: readonly SeenVersion[]): number | undefined {
  let since: number | undefined;
  for (const { value, writtenAtMicros, expiresAtMicros } of versions) {
    if (value !== undefined && expiresAtMicros === undefined) return undefined;
    since = Math.max(since ?? 0, expiresAtMicros ?? writtenAtMicros);
  }
  return since;
}

/** A record that dies, or is dead. */
export interface DeadRecord {
  readonly dots: readonly string[];
  readonly clock: ClockEntries;
  readonly deadSinceMicros: number;
  /** When it was first on a disk, in milliseconds of the run. */
  readonly firstStoredMs: number;
}

export class DiskObserver {
  readonly #scheduler: Scheduler;
  readonly #byKey = new Map<string, WitnessedVersion[]>();
  readonly #mortal = new Map<string, Map<string, DeadRecord>>();
  readonly #seen = new Map<string, Witnessed>();

  readonly #onMalformed: (node: string, problem: string) => void;

  constructor(scheduler: Scheduler, onMalformed: (node: string, problem: string) => void) {
    this.#scheduler = scheduler;
    this.#onMalformed = onMalformed;
  }

  watch(node: string, disk: SimulatedDisk): void {
    disk.onStored((key, value) => this.#stored(node, key, value));
  }

  /** Every version ever stored under the key, by whatever replica, in the order of their first appearance. */
  witnessed(bucket: string, key: string): readonly WitnessedVersion[] {
    return this.#byKey.get(`${bucket}/${key}`) ?? [];
  }

  /** Every record without a version that lives for ever, by whatever replica it was stored. */
  mortal(bucket: string, key: string): readonly DeadRecord[] {
    return [...(this.#mortal.get(`${bucket}/${key}`)?.values() ?? [])];
  }

  #remember(path: string, record: VersionedRecord): void {
    if (record.versions.some(({ value, expiresAt }) => value !== undefined && expiresAt === undefined))
      return;
    const versions = record.versions.map(seenVersion);
    const since = deadSinceMicros(versions) ?? 0;
    const records = this.#mortal.get(path) ?? new Map<string, DeadRecord>();
    if (records.size === 0) this.#mortal.set(path, records);
    const dots = versions.map(({ dot }) => dot);
    const clock = entriesOf(record.clock);
    const identity = `${dots.join()} ${clock.join()} ${since}`;
    if (records.has(identity)) return;
    const firstStoredMs = this.#scheduler.nowMicros / 1_000;
    records.set(identity, { dots, clock, deadSinceMicros: since, firstStoredMs });
  }

  #stored(node: string, engineKey: Uint8Array, sealed: Uint8Array): void {
    if (engineKey[0] !== recordPrefix) return;
    const bytes = openValue(crc32, engineKey, sealed);
    if (bytes === undefined) return;
    const name = splitRecordKey(engineKey.subarray(headerLength));
    const key = Buffer.from(name.key).toString('latin1');
    const record = openedRecord(bytes);
    if (record === undefined) {
      this.#onMalformed(node, `stored what is no record under ${name.bucket}/${key}`);
      return;
    }
    this.#remember(`${name.bucket}/${key}`, record);
    for (const version of record.versions) {
      const fingerprint = fingerprintOf(version);
      const dot = dotName(version);
      const identity = `${name.bucket}/${key} ${dot} ${fingerprint}`;
      const known = this.#seen.get(identity);
      if (known !== undefined) {
        if (known.node !== node) known.alsoStoredBy ??= node;
        continue;
      }
      const list = this.#byKey.get(`${name.bucket}/${key}`) ?? [];
      if (list.length === 0) this.#byKey.set(`${name.bucket}/${key}`, list);
      const witnessed: Witnessed = {
        ...seenVersion(version),
        bucket: name.bucket,
        key,
        node,
        atMs: this.#scheduler.nowMicros / 1000,
        requestId:
          version.requestId === undefined ? undefined : Buffer.from(version.requestId).toString('hex'),
        fingerprint,
        alsoStoredBy: undefined,
      };
      this.#seen.set(identity, witnessed);
      list.push(witnessed);
    }
  }
}

/** What the disk of `node` holds under the engine key, opened. */
export function replicaState(
  node: string,
  engineKey: Uint8Array,
  sealed: Uint8Array | undefined,
): ReplicaState {
  if (sealed === undefined) return { node, record: undefined, versions: [], clock: [] };
  const bytes = openValue(crc32, engineKey, sealed);
  if (bytes === undefined) return { node, record: 'damaged', versions: [], clock: [] };
  const record = openedRecord(bytes);
  if (record === undefined) return { node, record: 'damaged', versions: [], clock: [] };
  return {
    node,
    record: Buffer.from(bytes).toString('hex'),
    versions: record.versions.map(seenVersion),
    clock: entriesOf(record.clock),
  };
}

/** The record in the bytes. `undefined`: nothing that a node could have meant to store. */
export function openedRecord(bytes: Uint8Array): VersionedRecord | undefined {
  try {
    return decodeRecord(bytes, crc32);
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

function seenVersion(version: Version): SeenVersion {
  return {
    dot: dotName(version),
    clock: entriesOf(version.clock),
    value: version.value === undefined ? undefined : valueText(Value.decode(version.value).data),
    writtenAtMicros: version.writtenAt,
    expiresAtMicros: version.expiresAt,
  };
}

function dotName({ dot }: Version): string {
  return `${dot.replica}/${dot.epoch}/${dot.counter}`;
}

function entriesOf(clock: VectorClock): ClockEntries {
  return clock.map(({ replica, epoch, counter }) => [replica, epoch, counter] as const);
}

function fingerprintOf(version: Version): number {
  const deadline = Buffer.from(String(version.expiresAt ?? ''));
  return crc32(deadline, version.value === undefined ? 1 : crc32(version.value));
}
