/**
 * Who this store is, kept inside it, so that a copied, emptied or restored directory cannot pretend: format version, cluster,
 * node, number of partitions, replica id, the epochs handed out, the hybrid clock's high-water mark, and how the last run
 * ended. Engine keys: 0x00 and a name. Names, layouts and the format number may not change.
 *
 * A damaged or missing value is fatal: the only wrong answer is a fresh identity over old data, because a replica that
 * forgets which dots it gave out will give them out again (semantics.md, "Which actor").
 */

import { equalBytes } from '../core/bytes.ts';
import type { NodeId, ReplicaId } from '../core/identity.ts';
import { RunningTime } from '../core/running-time.ts';
import type { Env } from '../env/env.ts';
import type { EngineError, EngineOperation, StorageEngine } from './engine.ts';
import { GroupCommit } from './group-commit.ts';
import { number64, readNumber64 } from './number64.ts';
import { type Crc32, openValue, sealValue } from './value-envelope.ts';

/** The layout of everything under the engine. A store with a greater number was written by a newer Kindred. */
const storageFormat = 1;

/** Why a data directory may not be served as it is. */
export type IdentityErrorCode =
  | 'newer-format'
  | 'other-cluster'
  | 'other-node'
  | 'other-partition-count'
  | 'records-without-identity'
  | 'damaged'
  /** The peers have collected deletions that it has never heard of: it must be set aside, and the node come back empty. */
  | 'outdated'
  | 'epochs-used-up';

export class IdentityError extends Error {
  override readonly name = 'IdentityError';
  readonly code: IdentityErrorCode;
  constructor(code: IdentityErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface IdentityDependencies {
  readonly engine: StorageEngine;
  readonly crc32: Crc32;
  readonly env: Env;
  /** The group commit shared with the other stores of the engine; without it this store makes its own. */
  readonly commit?: GroupCommit;
}

/** Who the store has to belong to, and its directory for the messages. */
export interface IdentityOptions {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly partitionCount: number;
  readonly path: string;
}

/** Epochs leased at once: one fsync for so many keys first written here. A start gives up what is left of the block. */
const epochBlock = 10_000;
/** When so few are left, the next block is leased while the rest is used. */
const epochRefillAt = epochBlock / 5;
/** Epochs are unsigned 32-bit numbers on the wire. */
const epochMax = 0xffff_ffff;

const prefix = 0x00;
const recordsAndHints = { from: Uint8Array.of(0x01), to: Uint8Array.of(0xff) };

const names = [
  'format',
  'cluster',
  'node',
  'partitions',
  'replica',
  'epoch-lease',
  'epoch-floor',
  'high-water',
  'ended-clean',
  'buffered-dots',
  'mark',
  'set-back',
  'running',
  'former-replica',
  'former-mark',
  'outdated',
  'born',
] as const;
type Name = (typeof names)[number];

interface StoredIdentity {
  readonly replicaId: number;
  /** First epoch that no run has leased. */
  readonly epochLease: number;
  readonly epochFloor: number;
  readonly highWaterMicros: number;
  readonly endedClean: boolean;
  readonly bufferedDots: boolean;
  /** The mark of the directory that the last run made. A store of an earlier version has none, nor one without a disk. */
  readonly mark: string | undefined;
  /** The peers proved that the store had been put back to an earlier state, and it was stopped. */
  readonly setBack: boolean;
  /** Running time of the store (core/running-time.ts), in milliseconds. */
  readonly runningMs: number;
  /** Under which id its data were before it took a new one, and the mark they had, until every peer has judged them. 0: none. */
  readonly formerReplicaId: number;
  readonly formerMark: number;
  /** The first mark that it stored. 0: made by a release that did not note it, or not yet stored. */
  readonly bornMark: number;
}

/** Whose data a store holds besides its own. */
export interface FormerStore {
  readonly replicaId: number;
  /** The mark that the store held under that id. */
  readonly mark: number;
}

/** Opens the identity of a store, or makes one in an empty store. Throws IdentityError, or EngineError. */
export async function openIdentityStore(
  deps: IdentityDependencies,
  options: IdentityOptions,
): Promise<IdentityStore> {
  const stored = await readIdentity(deps, options);
  const former: StoredIdentity = stored ?? {
    replicaId: deps.env.random.id53(),
    epochLease: 1,
    epochFloor: 0,
    highWaterMicros: 0,
    endedClean: true,
    bufferedDots: false,
    mark: undefined,
    setBack: false,
    runningMs: 0,
    formerReplicaId: 0,
    formerMark: 0,
    bornMark: 0,
  };
  const { mark } = deps.engine;
  const moved = former.mark !== undefined && mark !== undefined && !mark.found.includes(former.mark);
  const copied = moved || former.setBack;
  // The directory that this one was copied from may have given out dots since. They were its own: whoever has another
  // replica id can never give out the same, and need not know them.
  const previous = copied ? { ...former, ...newIdOver(former, deps.env) } : former;
  // Dots may have left the last run that are not on disk any more: then no actor of before may be continued, in this run
  // nor in any later one, so the floor is stored. It is the first epoch of a new block: greater than all that were used.
  const forgotten = deps.engine.tailDropped || (!previous.endedClean && previous.bufferedDots);
  const epochFloor = forgotten ? previous.epochLease : previous.epochFloor;
  const epochLease = nextLease(previous.epochLease, options.path, deps.env);
  const operations: EngineOperation[] = [
    put(deps.crc32, 'epoch-lease', number64(epochLease)),
    put(deps.crc32, 'epoch-floor', number64(epochFloor)),
    put(deps.crc32, 'ended-clean', Uint8Array.of(0)),
    put(deps.crc32, 'buffered-dots', Uint8Array.of(0)),
  ];
  if (mark !== undefined) {
    operations.push(put(deps.crc32, 'mark', new TextEncoder().encode(await mark.make())));
  }
  if (copied) {
    operations.push(
      put(deps.crc32, 'replica', number64(previous.replicaId)),
      put(deps.crc32, 'former-replica', number64(previous.formerReplicaId)),
      put(deps.crc32, 'former-mark', number64(previous.formerMark)),
    );
  }
  if (former.setBack) operations.push(put(deps.crc32, 'set-back', Uint8Array.of(0)));
  if (stored === undefined) {
    operations.push(
      put(deps.crc32, 'format', number64(storageFormat)),
      put(deps.crc32, 'cluster', new TextEncoder().encode(options.clusterId)),
      put(deps.crc32, 'node', new TextEncoder().encode(options.nodeId)),
      put(deps.crc32, 'partitions', number64(options.partitionCount)),
      put(deps.crc32, 'replica', number64(previous.replicaId)),
      put(deps.crc32, 'high-water', number64(previous.highWaterMicros)),
    );
  }
  await deps.engine.write(operations, { sync: true });
  await mark?.settle().catch(() => {
    // What is left over is found again, and removed, at the next opening.
  });
  return new IdentityStore(deps, options, {
    stored: { ...previous, epochLease, epochFloor },
    nextEpoch: previous.epochLease,
    formerReplicaId: copied ? (former.replicaId as ReplicaId) : undefined,
    isNew: stored === undefined,
  });
}

/**
 * A new id over the data of another. Until every peer has judged these data (`forgetFormer`) the node serves nobody, so where
 * that happens twice in a row the ids between are of no store that anybody has heard.
 */
function newIdOver(
  { replicaId, highWaterMicros, formerReplicaId, formerMark }: StoredIdentity,
  env: Env,
): Pick<StoredIdentity, 'replicaId' | 'formerReplicaId' | 'formerMark'> {
  const former =
    formerReplicaId === 0
      ? { formerReplicaId: replicaId, formerMark: highWaterMicros }
      : { formerReplicaId, formerMark };
  return { replicaId: env.random.id53(), ...former };
}

export class IdentityStore {
  readonly replicaId: ReplicaId;
  /** The id that the directory came with, where it was found to be a copy and got another. */
  readonly formerReplicaId: ReplicaId | undefined;
  /** The clock's mark that the store held when it was opened. */
  readonly openedAtMark: number;
  /** Actors with a smaller epoch must not be continued: this replica may have forgotten dots that it gave out. */
  readonly epochFloor: number;
  /** How long this store has been served, over all processes. Stored with the clock's mark. */
  readonly running: RunningTime;
  readonly #crc32: Crc32;
  readonly #commit: GroupCommit;
  readonly #path: string;
  readonly #env: Env;
  #nextEpoch: number;
  #epochLease: number;
  #refill: Promise<void> | undefined;
  #highWaterMicros: number;
  #storedMark: number;
  #bufferedDots: Promise<void> | undefined;
  #former: FormerStore | undefined;
  #bornMark: number;
  /** The first mark is yet to be stored. */
  #isUnborn: boolean;

  /** Use `openIdentityStore`. */
  constructor(
    deps: IdentityDependencies,
    options: IdentityOptions,
    opened: {
      readonly stored: StoredIdentity;
      readonly nextEpoch: number;
      readonly formerReplicaId: ReplicaId | undefined;
      readonly isNew: boolean;
    },
  ) {
    const { stored } = opened;
    this.#crc32 = deps.crc32;
    this.#commit = deps.commit ?? new GroupCommit({ engine: deps.engine, env: deps.env });
    this.#path = options.path;
    this.#env = deps.env;
    this.replicaId = stored.replicaId as ReplicaId;
    this.epochFloor = stored.epochFloor;
    this.formerReplicaId = opened.formerReplicaId;
    this.#nextEpoch = opened.nextEpoch;
    this.#epochLease = stored.epochLease;
    this.#highWaterMicros = stored.highWaterMicros;
    this.openedAtMark = stored.highWaterMicros;
    this.#storedMark = stored.highWaterMicros;
    this.running = new RunningTime(() => deps.env.clock.monotonicMs(), stored.runningMs);
    this.#bornMark = stored.bornMark;
    this.#isUnborn = opened.isNew;
    this.#former =
      stored.formerReplicaId === 0
        ? undefined
        : { replicaId: stored.formerReplicaId, mark: stored.formerMark };
  }

  /** Whose data it holds besides its own, until every peer that might know more of them has judged. */
  get former(): FormerStore | undefined {
    return this.#former;
  }

  /**
   * The first mark of this store: what was meant for the store before it on this node was heard of under smaller ones. 0: not
   * known. Infinity: it has none yet, so that whatever mark was heard was another store's.
   */
  get bornMark(): number {
    return this.#isUnborn ? Number.POSITIVE_INFINITY : this.#bornMark;
  }

  /** Every peer has judged the data that this store had under its former id: nobody has to be told of it any more. */
  async forgetFormer(): Promise<void> {
    if (this.#former === undefined) return;
    await this.#commit.write(put(this.#crc32, 'former-replica', number64(0)), { sync: true });
    this.#former = undefined;
  }

  /** Epochs that `nextEpoch` can still hand out before the next lease is stored. */
  get epochsLeft(): number {
    return this.#epochLease - this.#nextEpoch;
  }

  /** The greatest hybrid time that was stored, in microseconds; 0 in a new store. */
  get highWaterMicros(): number {
    return this.#highWaterMicros;
  }

  /**
   * An epoch that no run of this store has used. Synchronous, because read, decide and enqueue of a record are one piece; call `ensureEpochs`
   * before taking the lock. Throws IdentityError `epochs-used-up` when there is none, and then nothing was handed out.
   */
  nextEpoch(): number {
    if (this.epochsLeft <= epochRefillAt) this.#startRefill();
    if (this.epochsLeft <= 0) {
      throw new IdentityError(
        'epochs-used-up',
        'no epoch is leased: wait for ensureEpochs() before taking one',
      );
    }
    return this.#nextEpoch++;
  }

  /** Resolves when `nextEpoch` can hand out at least one epoch: at once, but for bursts. Rejects when the store failed. */
  async ensureEpochs(): Promise<void> {
    if (this.epochsLeft > 0) return;
    this.#startRefill();
    await this.#refill;
  }

  /** Stores the hybrid clock's mark on stable storage. A smaller mark than the stored one is left out. */
  async saveHighWater(micros: number): Promise<void> {
    if (micros <= this.#highWaterMicros) return;
    this.#highWaterMicros = micros;
    // In the queue before the mark, so that they share its fsync. A failure is the mark's failure too.
    this.#write('running', number64(this.running.now()));
    if (this.#isUnborn) {
      this.#isUnborn = false;
      this.#bornMark = micros;
      this.#write('born', number64(micros));
    }
    await this.#commit.write(put(this.#crc32, 'high-water', number64(micros)), { sync: true });
    if (micros > this.#storedMark) this.#storedMark = micros;
  }

  /** The clock's mark that is on stable storage for certain. Peers remember it: no later state of this store has a smaller one. */
  get storedMark(): number {
    return this.#storedMark;
  }

  /**
   * Stops the store for good, because its peers know of a later state of it: everything is refused with `error` from now
   * on, and the next start takes a new replica id.
   */
  async retire(error: EngineError): Promise<void> {
    await this.#commit.stop(error, put(this.#crc32, 'set-back', Uint8Array.of(1)));
  }

  /**
   * Stops the store for good, because its peers have collected deletions that it has never heard of: everything is refused with
   * `error` from now on, and the next start sets the data directory aside.
   */
  async outdate(error: EngineError): Promise<void> {
    await this.#commit.stop(error, put(this.#crc32, 'outdated', Uint8Array.of(1)));
  }

  /** Must resolve before this replica lets out a dot that is not fsynced. One fsync per run. */
  markBufferedDots(): Promise<void> {
    this.#bufferedDots ??= this.#commit.write(put(this.#crc32, 'buffered-dots', Uint8Array.of(1)), {
      sync: true,
    });
    return this.#bufferedDots;
  }

  /** Before the engine is closed: stores what waits, refuses what comes later, and says that this run left nothing unsynced. */
  async endCleanly(): Promise<void> {
    this.#write('running', number64(this.running.now()));
    await this.#commit.end(put(this.#crc32, 'ended-clean', Uint8Array.of(1)));
  }

  /** Queues a value that nobody waits for: what fails, fails what comes after it in the queue, too. */
  #write(name: Name, payload: Uint8Array): void {
    this.#commit.write(put(this.#crc32, name, payload), { sync: false }).catch(() => undefined);
  }

  #startRefill(): void {
    if (this.#refill !== undefined) return;
    const lease = nextLease(this.#epochLease, this.#path, this.#env);
    this.#refill = this.#commit
      .write(put(this.#crc32, 'epoch-lease', number64(lease)), { sync: true })
      .then(() => {
        this.#epochLease = lease;
        this.#refill = undefined;
      });
    // A failed lease has failed the group commit, whose listeners stop the node; ensureEpochs() rejects with the reason.
    this.#refill.catch(() => undefined);
  }
}

async function readIdentity(
  deps: IdentityDependencies,
  options: IdentityOptions,
): Promise<StoredIdentity | undefined> {
  const values = new Map<Name, Uint8Array>();
  const present = new Set<Name>();
  let entries = 0;
  for await (const [key, value] of deps.engine.entries({
    from: Uint8Array.of(prefix),
    to: Uint8Array.of(prefix + 1),
  })) {
    entries++;
    const name = names.find((candidate) => equalBytes(engineKeyOf(candidate), key));
    const payload = openValue(deps.crc32, key, value);
    // The format is judged first: a newer one may well have names that are unknown here.
    if (name !== undefined) present.add(name);
    if (name !== undefined && payload !== undefined) values.set(name, payload);
  }
  if (entries === 0) {
    if (!(await hasRecordsOrHints(deps.engine))) return undefined;
    throw new IdentityError(
      'records-without-identity',
      `the data directory ${options.path} holds records but not whose they are, so it is damaged or was not made by ` +
        'Kindred. Give the node an empty data directory: it returns as a new replica and is rebuilt from its peers',
    );
  }
  const text = (name: Name): string => new TextDecoder().decode(required(values, name, options));
  const integer = (name: Name): number => integerOf(required(values, name, options), name, options);
  const flag = (name: Name): boolean => required(values, name, options)[0] === 1;

  const format = integer('format');
  if (format > storageFormat) {
    throw new IdentityError(
      'newer-format',
      `the data directory ${options.path} has storage format ${format}, and this version of Kindred reads up to ` +
        `${storageFormat}. Start the version that wrote it, or a newer one`,
    );
  }
  requireSame('other-cluster', 'cluster', text('cluster'), options.clusterId, options);
  requireSame('other-node', 'node', text('node'), options.nodeId, options);
  requireSame(
    'other-partition-count',
    'partition count',
    integer('partitions'),
    options.partitionCount,
    options,
  );
  if (present.has('outdated') && flag('outdated')) {
    throw new IdentityError(
      'outdated',
      `the data directory ${options.path} is older than deletions that the other replicas have since forgotten: served, it ` +
        'would bring deleted values back. Move it away, and start the node with an empty one: it is rebuilt from its peers',
    );
  }
  const optional = (name: Name): number => (present.has(name) ? integer(name) : 0);
  return {
    replicaId: integer('replica'),
    epochLease: integer('epoch-lease'),
    epochFloor: integer('epoch-floor'),
    highWaterMicros: integer('high-water'),
    endedClean: flag('ended-clean'),
    bufferedDots: flag('buffered-dots'),
    mark: present.has('mark') ? text('mark') : undefined,
    setBack: present.has('set-back') && flag('set-back'),
    runningMs: optional('running'),
    formerReplicaId: optional('former-replica'),
    formerMark: optional('former-mark'),
    bornMark: optional('born'),
  };
}

function requireSame(
  code: IdentityErrorCode,
  what: string,
  stored: string | number,
  configured: string | number,
  options: IdentityOptions,
): void {
  if (stored === configured) return;
  throw new IdentityError(
    code,
    `the data directory ${options.path} belongs to ${what} ${stored}, and this node is configured for ${what} ${configured}. ` +
      'Correct the configuration or the path; the data was not touched',
  );
}

function required(values: ReadonlyMap<Name, Uint8Array>, name: Name, options: IdentityOptions): Uint8Array {
  const value = values.get(name);
  if (value !== undefined) return value;
  throw damagedIdentity(name, options);
}

function damagedIdentity(name: Name, options: IdentityOptions): IdentityError {
  return new IdentityError(
    'damaged',
    `the identity of the store in ${options.path} is damaged (${name} is missing or fails its checksum). Empty the data ` +
      'directory and start the node: it returns as a new replica and is rebuilt from its peers',
  );
}

async function hasRecordsOrHints(engine: StorageEngine): Promise<boolean> {
  for await (const _ of engine.entries({ ...recordsAndHints, limit: 1 })) return true;
  return false;
}

function nextLease(lease: number, path: string, env: Env): number {
  // Rare path, safe: a lease may be of any size; it is stored before it is used.
  const block = env.rarePath('epoch-lease-of-one') ? 1 : epochBlock;
  if (lease + block <= epochMax) return lease + block;
  throw new IdentityError(
    'epochs-used-up',
    `the replica in ${path} has used up its ${epochMax} epochs. Empty its data directory: it returns as a new replica`,
  );
}

function engineKeyOf(name: Name): Uint8Array {
  return Uint8Array.of(prefix, ...new TextEncoder().encode(name));
}

function put(crc32: Crc32, name: Name, payload: Uint8Array): EngineOperation {
  const key = engineKeyOf(name);
  return { kind: 'put', key, value: sealValue(crc32, key, payload) };
}

function integerOf(bytes: Uint8Array, name: Name, options: IdentityOptions): number {
  const value = readNumber64(bytes);
  if (value === undefined) throw damagedIdentity(name, options);
  return value;
}
