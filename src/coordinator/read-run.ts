/**
 * One read in progress: carries what the read core decides to the replicas, and their answers back to it. Nothing is
 * decided here but how long to wait.
 */

import { crc32 } from 'node:zlib';
import { MalformedError } from '../core/binary.ts';
import type { Bucket } from '../core/bucket.ts';
import type { CausalContext } from '../core/causality/context-token.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { encodeRecord } from '../core/causality/record-codec.ts';
import { type Digest, ReadCore, type ReadStep } from '../core/coordinator/read-core.ts';
import type { NodeId } from '../core/identity.ts';
import type { Env, Timer } from '../env/env.ts';
import { digestOfBytes, type ReadAnswer, type ReplicaClient, recordOf } from './replica-client.ts';

export interface ReadRunDependencies {
  readonly env: Env;
  readonly clientOf: (node: NodeId) => ReplicaClient;
  /** Told when one replica more is asked because the answers take long. */
  readonly onHedge: () => void;
}

/** A level to try: the one asked for, then the weaker ones that the caller accepts. */
export interface ReadAttempt {
  readonly required: number;
  readonly blockingRepair: boolean;
}

export interface ReadRunOptions {
  readonly recordKey: Uint8Array;
  readonly bucket: Bucket;
  readonly candidates: readonly NodeId[];
  /** Intact answers that a merge needs before it may replace a damaged record: `restoreAnswersOf`. */
  readonly restoreAnswers: number;
  /** In order. The first that the answers meet is used. */
  readonly attempts: readonly ReadAttempt[];
  readonly minContext: CausalContext | undefined;
  readonly deadlineMs: number;
  /** Asks one replica more when the answers take longer than this. `undefined`: never. */
  readonly hedgeAfterMs: number | undefined;
}

export type ReadRunResult =
  | {
      readonly kind: 'answer';
      readonly record: VersionedRecord | undefined;
      /** Index of the attempt whose level was met. */
      readonly attempt: number;
      readonly core: ReadCore;
      readonly repairStarted: boolean;
    }
  | { readonly kind: 'unmet' | 'context-not-reached'; readonly core: ReadCore };

/** Part of the time left that is kept for the weaker levels, while there are any: fetching and repairing take time too. */
const fallbackShare = 0.25;

export class ReadRun {
  readonly #deps: ReadRunDependencies;
  readonly #options: ReadRunOptions;
  readonly #core: ReadCore;
  readonly #done: (result: ReadRunResult) => void;
  #attempt = 0;
  #finished = false;
  #advancing = false;
  #again = false;
  #repairStarted = false;
  #hedge: Timer | undefined;

  /** `done` is called exactly once, possibly before `start` returns. */
  constructor(deps: ReadRunDependencies, options: ReadRunOptions, done: (result: ReadRunResult) => void) {
    this.#deps = deps;
    this.#options = options;
    this.#done = done;
    const first = options.attempts[0] as ReadAttempt;
    this.#core = new ReadCore({
      candidates: options.candidates,
      required: first.required,
      blockingRepair: first.blockingRepair,
      minContext: options.minContext,
      policy: options.bucket.conflictPolicy,
      restoreAnswers: options.restoreAnswers,
      digestOf: (record) => digestOfBytes(encodeRecord(record, crc32)),
    });
  }

  start(): void {
    this.#advance();
    const { hedgeAfterMs } = this.#options;
    if (!this.#finished && hedgeAfterMs !== undefined) {
      this.#hedge = this.#deps.env.timers.after(hedgeAfterMs, () => this.#askOneMore());
    }
  }

  #askOneMore(): void {
    const step = this.#core.hedge();
    if (step.kind === 'ask') this.#deps.onHedge();
    this.#carryOut(step);
  }

  /** Answers may come while a step is being carried out (the local replica answers at once): one loop, never nested. */
  #advance(): void {
    if (this.#advancing) {
      this.#again = true;
      return;
    }
    this.#advancing = true;
    try {
      do {
        this.#again = false;
        if (!this.#finished) this.#carryOut(this.#core.step());
      } while (this.#again);
    } finally {
      this.#advancing = false;
    }
  }

  #carryOut(step: ReadStep): void {
    switch (step.kind) {
      case 'wait':
        return;
      case 'ask':
        for (const node of step.records) this.#read(node, false);
        // Rare path, safe: a digest only saves sending the record.
        for (const node of step.digests) this.#read(node, !this.#deps.env.rarePath('read-no-digests'));
        return;
      case 'repair':
        this.#repair(step.record, step.nodes);
        // There may be holders enough already: nobody waits for a repair that the level does not need.
        this.#again = true;
        return;
      case 'answer':
        this.#finish({
          kind: 'answer',
          record: step.record,
          attempt: this.#attempt,
          core: this.#core,
          repairStarted: this.#repairStarted,
        });
        return;
      case 'unmet':
      case 'context-not-reached': {
        const weaker = step.kind === 'unmet' ? this.#options.attempts[this.#attempt + 1] : undefined;
        if (weaker === undefined) {
          this.#finish({ kind: step.kind, core: this.#core });
          return;
        }
        this.#attempt++;
        this.#core.weaken(weaker.required, weaker.blockingRepair);
        this.#again = true;
        return;
      }
    }
  }

  #read(node: NodeId, digestOnly: boolean): void {
    this.#deps
      .clientOf(node)
      .read(this.#options.recordKey, digestOnly, this.#remainingMs(), (answer) =>
        this.#answered(node, answer),
      );
  }

  #answered(node: NodeId, answer: ReadAnswer): void {
    if (this.#finished) return;
    switch (answer.kind) {
      case 'record':
        this.#record(node, answer);
        break;
      case 'digest':
        this.#core.answeredDigest(node, this.#perhapsAnother(answer.digest));
        break;
      case 'failed':
        this.#core.failed(node, answer.reason);
        break;
    }
    this.#advance();
  }

  /** Rare path, safe: a digest that differs is only a reason to ask for the record, and that decides. */
  #perhapsAnother(digest: Digest): Digest {
    return this.#deps.env.rarePath('read-digest-differs') ? `${digest} differs` : digest;
  }

  #record(node: NodeId, answer: Extract<ReadAnswer, { readonly kind: 'record' }>): void {
    try {
      this.#core.answeredRecord(node, recordOf(answer), digestOfBytes(answer.bytes));
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#core.failed(node, 'record-damaged');
    }
  }

  #repair(record: VersionedRecord, nodes: readonly NodeId[]): void {
    // This process may have stood still for long with the record in its hands: by now replicas may have forgotten a deletion
    // that had superseded what is in it (ADR 16).
    if (this.#deps.env.clock.monotonicMs() > this.#options.deadlineMs) {
      for (const node of nodes) this.#core.failed(node, 'timed-out');
      return;
    }
    this.#repairStarted = true;
    const bytes = encodeRecord(record, crc32);
    // What a repair promises must hold as the writes of this bucket do: on the disk, unless the bucket is buffered.
    const options = { origin: 'read-repair', sync: this.#options.bucket.durability !== 'buffered' } as const;
    for (const node of nodes) {
      this.#deps
        .clientOf(node)
        .merge(this.#options.recordKey, bytes, options, this.#remainingMs(), (answer) => {
          if (this.#finished) return;
          if (answer.kind === 'failed') this.#core.failed(node, answer.reason);
          else if (options.sync && !answer.synced) this.#core.failed(node, 'not-synced');
          else this.#core.repaired(node);
          this.#advance();
        });
    }
  }

  #remainingMs(): number {
    const { deadlineMs, attempts } = this.#options;
    const leftMs = deadlineMs - this.#deps.env.clock.monotonicMs();
    const isLast = this.#attempt === attempts.length - 1;
    return Math.max(1, isLast ? leftMs : leftMs * (1 - fallbackShare));
  }

  #finish(result: ReadRunResult): void {
    this.#finished = true;
    this.#hedge?.cancel();
    this.#done(result);
  }
}
