/**
 * Writes at level ANY, or with sloppy hand-off, while no home replica is up: this node makes the version itself, under an
 * epoch of its own, and keeps it as a durable hint for every home. It is merged into them when they are back (Dynamo, section
 * 4.6).
 *
 * The dot's actor is this node's data store, which is no replica of the key. Its hints are all that it remembers of its own
 * dots, and each of them may be gone (delivered, or there was no room): so it goes on counting only while every target has
 * the same hint, the latest, and all of it was made here; it opens a new epoch otherwise. Only the bound on the clock is
 * given up.
 */

import { crc32 } from 'node:zlib';
import type { Bucket } from '../core/bucket.ts';
import { equalBytes } from '../core/bytes.ts';
import type { OwnReplica } from '../core/causality/actor.ts';
import type { CausalContext } from '../core/causality/context-token.ts';
import { decideWrite, type WriteDecision, type WriteIntent } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import { mergeRecords, type VersionedRecord } from '../core/causality/record.ts';
import { exceedsBounds } from '../core/causality/record-bounds.ts';
import { decodeRecord, encodedLength, encodeRecord } from '../core/causality/record-codec.ts';
import type { HybridClock } from '../core/hybrid-clock.ts';
import type { NodeId } from '../core/identity.ts';
import { EngineError } from '../storage/engine.ts';
import type { HintOutcome, HintStore } from '../storage/hint-store.ts';

export interface HintedWriterDependencies {
  readonly hints: HintStore;
  readonly identity: OwnReplica & { readonly epochsLeft: number; ensureEpochs(): Promise<void> };
  readonly clock: HybridClock;
  readonly wallMicros: () => number;
  /** The newest mark that was heard of a node's store. 0: none. */
  readonly markOf: (node: NodeId) => number;
}

export interface HintedWriterOptions {
  /** Largest record, in bytes, as at a replica: a hint that no peer can be sent would block those behind it. */
  readonly recordBytesMax: number;
}

export type HintedWrite =
  | {
      readonly kind: 'written';
      readonly dot: Dot;
      readonly context: CausalContext;
      readonly record: VersionedRecord;
      /** The record as it is stored and sent. */
      readonly bytes: Uint8Array;
      readonly replayed: boolean;
      /** Hints stored: one for each target, but for those that found no room. */
      readonly hinted: number;
    }
  | {
      readonly kind: 'refused';
      readonly why:
        | Extract<WriteDecision, { kind: 'refused' }>['why']
        | 'record-too-large'
        | 'context-too-large';
      readonly record: VersionedRecord | undefined;
    }
  | { readonly kind: 'full' }
  /** `mayBegin` said no: nothing was done. */
  | { readonly kind: 'abandoned' }
  | { readonly kind: 'storage-failed'; readonly begun: boolean; readonly error: EngineError };

export class HintedWriter {
  readonly #deps: HintedWriterDependencies;
  readonly #options: HintedWriterOptions;
  /** One write at a time: this path runs only while every home of a key is down. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(dependencies: HintedWriterDependencies, options: HintedWriterOptions) {
    this.#deps = dependencies;
    this.#options = options;
  }

  /**
   * Resolves once the hint is on stable storage for every target that has room for it. `mayBegin` is asked when it is this
   * write's turn: false when nobody waits for it any more.
   */
  write(
    key: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    targets: readonly NodeId[],
    intent: WriteIntent,
    mayBegin: () => boolean,
  ): Promise<HintedWrite> {
    const done = this.#last.then(() => this.#write(key, targets, intent, mayBegin));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #write(
    key: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    targets: readonly NodeId[],
    intent: WriteIntent,
    mayBegin: () => boolean,
  ): Promise<HintedWrite> {
    const { identity, clock, wallMicros } = this.#deps;
    let begun = false;
    try {
      while (identity.epochsLeft === 0) await identity.ensureEpochs();
      const { record: local, complete, unsent } = this.#known(key, targets);
      if (!mayBegin()) return { kind: 'abandoned' };
      const decision = decideWrite(local, intent, {
        bucket: key.bucket,
        own: {
          replica: identity.replica,
          epochFloor: complete ? identity.epochFloor : Number.POSITIVE_INFINITY,
          nextEpoch: () => identity.nextEpoch(),
        },
        nowMicros: wallMicros(),
        tick: (after) => clock.tick(after),
      });
      if (decision.kind === 'refused') return { kind: 'refused', why: decision.why, record: local };
      const bytes = encodeRecord(decision.record, crc32);
      const before = local === undefined ? 0 : encodedLength(local);
      const why = exceedsBounds(decision.record, bytes.length, before, this.#options.recordBytesMax);
      if (decision.kind === 'write' && why !== undefined) return { kind: 'refused', why, record: local };
      // From here on a failure leaves it open what was stored.
      begun = true;
      const outcomes = await Promise.all(targets.map((target) => this.#keep(target, key, bytes, unsent)));
      const hinted = outcomes.filter((outcome) => outcome.kind === 'stored').length;
      if (hinted === 0) return { kind: 'full' };
      const { dot, context, record } = decision;
      const replayed = decision.kind === 'replayed';
      return { kind: 'written', dot, context, record, bytes, replayed, hinted };
    } catch (error) {
      if (error instanceof EngineError) return { kind: 'storage-failed', begun, error };
      throw error;
    }
  }

  #keep(
    target: NodeId,
    { recordKey, bucket }: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    bytes: Uint8Array,
    unsent: boolean,
  ): Promise<HintOutcome> {
    return this.#deps.hints.keep(target, recordKey, bytes, {
      policy: bucket.conflictPolicy,
      receiverMark: this.#deps.markOf(target),
      counted: true,
      madeHere: true,
      unsent,
      sync: true,
    });
  }

  /**
   * What this node's hints know of the key together; `complete` when every target has one, they are all the same, and this
   * node made all of it. What another node had it keep may lack writes that this node made.
   */
  #known(
    key: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    targets: readonly NodeId[],
  ): {
    readonly record: VersionedRecord | undefined;
    readonly complete: boolean;
    /** Nothing of it has been sent to anybody. */
    readonly unsent: boolean;
  } {
    const hints = targets.map((target) => this.#deps.hints.get(target, key.recordKey));
    const first = hints[0];
    const complete =
      first !== undefined &&
      hints.every((hint) => hint?.madeHere === true && equalBytes(hint.record, first.record));
    let record: VersionedRecord | undefined;
    for (const hint of complete ? [first] : hints) {
      if (hint === undefined) continue;
      const known = decodeRecord(hint.record, crc32);
      record = record === undefined ? known : mergeRecords(record, known, key.bucket.conflictPolicy);
    }
    return { record, complete, unsent: hints.every((hint) => hint === undefined || hint.unsent) };
  }
}
