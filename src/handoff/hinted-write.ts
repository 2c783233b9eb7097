/**
 * Writes at level ANY while no home replica is up: this node makes the version itself, under an epoch of its own, and
 * keeps it as a durable hint for every home. It is merged into them when they are back (Dynamo, section 4.6).
 *
 * The dot's actor is this node's data store, which is no replica of the key: dots stay unique, because a store that holds
 * no hint for a key always opens a new epoch. Only the bound on the clock is given up, for keys written while all were down.
 */

import { crc32 } from 'node:zlib';
import type { Bucket } from '../core/bucket.ts';
import type { OwnReplica } from '../core/causality/actor.ts';
import type { CausalContext } from '../core/causality/context-token.ts';
import { decideWrite, type WriteDecision, type WriteIntent } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { decodeRecord, encodeRecord } from '../core/causality/record-codec.ts';
import type { HybridClock } from '../core/hybrid-clock.ts';
import type { NodeId } from '../core/identity.ts';
import { EngineError } from '../storage/engine.ts';
import type { HintStore } from '../storage/hint-store.ts';

export interface HintedWriterDependencies {
  readonly hints: HintStore;
  readonly identity: OwnReplica & { ensureEpochs(): Promise<void> };
  readonly clock: HybridClock;
  readonly wallMicros: () => number;
}

export type HintedWrite =
  | {
      readonly kind: 'written';
      readonly dot: Dot;
      readonly context: CausalContext;
      readonly record: VersionedRecord;
      readonly replayed: boolean;
    }
  | {
      readonly kind: 'refused';
      readonly why: Extract<WriteDecision, { kind: 'refused' }>['why'];
      readonly record: VersionedRecord | undefined;
    }
  | { readonly kind: 'full' }
  | { readonly kind: 'storage-failed'; readonly begun: boolean; readonly error: EngineError };

export class HintedWriter {
  readonly #deps: HintedWriterDependencies;
  /** One write at a time: this path runs only while every home of a key is down. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(dependencies: HintedWriterDependencies) {
    this.#deps = dependencies;
  }

  /** Resolves once the hint is on stable storage for every target. */
  write(
    key: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    targets: readonly NodeId[],
    intent: WriteIntent,
  ): Promise<HintedWrite> {
    const done = this.#last.then(() => this.#write(key, targets, intent));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #write(
    key: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    targets: readonly NodeId[],
    intent: WriteIntent,
  ): Promise<HintedWrite> {
    const { hints, identity, clock, wallMicros } = this.#deps;
    let begun = false;
    try {
      // All targets were given the same record; whichever still waits for it is what this node knows of the key.
      let local: VersionedRecord | undefined;
      for (const target of targets) {
        const hint = hints.get(target, key.recordKey);
        if (hint !== undefined) local = decodeRecord(hint, crc32);
      }
      await identity.ensureEpochs();
      const decision = decideWrite(local, intent, {
        bucket: key.bucket,
        own: identity,
        nowMicros: wallMicros(),
        tick: (after) => clock.tick(after),
      });
      if (decision.kind === 'refused') return { kind: 'refused', why: decision.why, record: local };
      const bytes = encodeRecord(decision.record, crc32);
      let stored = 0;
      for (const target of targets) {
        const outcome = await hints.add(target, key.recordKey, bytes);
        begun = true;
        if (outcome.kind === 'stored') stored++;
      }
      if (stored === 0) return { kind: 'full' };
      const { dot, context, record } = decision;
      return { kind: 'written', dot, context, record, replayed: decision.kind === 'replayed' };
    } catch (error) {
      if (error instanceof EngineError) return { kind: 'storage-failed', begun, error };
      throw error;
    }
  }
}
