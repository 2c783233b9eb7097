/**
 * Records that are on this node's disk, kept in memory: of a hot key neither the engine is asked again, nor a checksum made
 * again. What is in it is what the disk holds; src/replica/pending-records.ts sees to that.
 *
 * Two generations stand for the order of use: what is asked for moves to the young one, and when that is full the old one
 * is dropped and it takes its place. A list of the order itself would cost every read what a read costs here.
 */

import { crc32 } from 'node:zlib';
import type { VersionedRecord } from '../core/causality/record.ts';
import { decodeRecord } from '../core/causality/record-codec.ts';

/** A record as it is stored. One with a single version is kept decoded too, once it was asked for. */
export class CachedRecord {
  readonly kind = 'found';
  /** The stored bytes. Nobody may change them. */
  readonly record: Uint8Array;
  #decoded: VersionedRecord | undefined;

  /** `decoded`: what the bytes say, if that is known, with values that alias them or are as lasting. */
  constructor(record: Uint8Array, decoded?: VersionedRecord) {
    this.record = record;
    if (decoded !== undefined) this.#keep(decoded);
  }

  /** Its values alias the bytes. Throws MalformedError. */
  get decoded(): VersionedRecord {
    if (this.#decoded !== undefined) return this.#decoded;
    const decoded = decodeRecord(this.record, crc32);
    this.#keep(decoded);
    return decoded;
  }

  /** Siblings and long clocks take many times their bytes as objects, which the bound of the cache does not count. */
  #keep(decoded: VersionedRecord): void {
    if (decoded.versions.length <= 1 && decoded.clock.length <= clockKeptMax) this.#decoded = decoded;
  }
}

/** Entries of the clock of a record that is kept decoded. */
const clockKeptMax = 8;
/** What an entry takes besides the bytes of its key and its record, decoded: about. */
const entryBytes = 512;
/** A record that would take more than this part of the cache is not kept: it would drive out too many others. */
const shareMax = 1 / 32;

export class RecordCache {
  readonly #generationBytesMax: number;
  readonly #recordBytesMax: number;
  readonly #misses: () => boolean;
  #young = new Map<string, CachedRecord>();
  #old = new Map<string, CachedRecord>();
  #youngBytes = 0;
  #oldBytes = 0;
  #found = 0;
  #missed = 0;

  /** `bytesMax`: 0 keeps nothing. `misses`: whether a record that is there is not found this time. */
  constructor(bytesMax: number, misses: () => boolean = () => false) {
    this.#generationBytesMax = bytesMax / 2;
    this.#recordBytesMax = bytesMax * shareMax;
    this.#misses = misses;
  }

  /** About how much it takes now. */
  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  /** How often what was asked for was there, and was not. */
  get counts(): { readonly found: number; readonly missed: number } {
    return { found: this.#found, missed: this.#missed };
  }

  get(name: string): CachedRecord | undefined {
    const cached = this.#young.get(name) ?? this.#fromOld(name);
    // Rare path, safe: the disk holds the same.
    if (cached === undefined || this.#misses()) {
      this.#missed++;
      return undefined;
    }
    this.#found++;
    return cached;
  }

  #fromOld(name: string): CachedRecord | undefined {
    const old = this.#old.get(name);
    if (old === undefined) return undefined;
    this.#old.delete(name);
    this.#oldBytes -= sizeOf(name, old);
    this.#add(name, old);
    return old;
  }

  set(name: string, cached: CachedRecord): void {
    this.delete(name);
    if (cached.record.length + entryBytes <= this.#recordBytesMax) this.#add(name, cached);
  }

  delete(name: string): void {
    const young = this.#young.get(name);
    if (young !== undefined) {
      this.#young.delete(name);
      this.#youngBytes -= sizeOf(name, young);
      return;
    }
    const old = this.#old.get(name);
    if (old === undefined) return;
    this.#old.delete(name);
    this.#oldBytes -= sizeOf(name, old);
  }

  #add(name: string, cached: CachedRecord): void {
    this.#young.set(name, cached);
    this.#youngBytes += sizeOf(name, cached);
    if (this.#youngBytes <= this.#generationBytesMax) return;
    this.#old = this.#young;
    this.#oldBytes = this.#youngBytes;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}

function sizeOf(name: string, { record }: CachedRecord): number {
  return entryBytes + name.length + record.length;
}
