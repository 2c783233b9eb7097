/**
 * Writes down what clients do and hear, for the checkers. An attempt is in the history from the moment it is made, with an
 * outcome that nobody knows yet: what never comes back stays so.
 */

import { assert } from '../../src/core/assert.ts';
import type { Dot } from '../../src/core/causality/dot.ts';
import { recordKeyOf } from '../../src/core/ring/record-key.ts';
import type { Clock } from '../../src/env/env.ts';
import type { Timestamp } from '../../src/gen/google/protobuf/timestamp.ts';
import type { GetResponse } from '../../src/gen/kindred/v1/kv.ts';
import {
  type ErrorDetail,
  type ReadReport,
  type Version,
  type Dot as WireDot,
  WriteOutcome,
  type WriteReport,
} from '../../src/gen/kindred/v1/types.ts';
import { ContextTokens } from '../../src/rpc/conversion.ts';
import type {
  Attempt,
  ClockEntries,
  DotName,
  ReadAttempt,
  SeenContext,
  SeenVersion,
  WriteAttempt,
} from '../checkers/history.ts';
import type { Trace } from '../simulation/kernel/trace.ts';
import type { KeyName } from '../simulation/plan/seed-plan.ts';
import { valueText } from './value-text.ts';

/** A failure as it reached the client. */
export interface CallFailure {
  readonly code: number;
  readonly message: string;
  /** Absent: no server said it. */
  readonly detail: ErrorDetail | undefined;
}

/** The answer to a write, of whatever kind. */
export interface WriteAnswer {
  /** Touch does not tell; neither does it where it found nothing. */
  readonly dot: WireDot | undefined;
  readonly context: Uint8Array;
  readonly report: WriteReport | undefined;
}

/** A context token with what it says. */
export interface HeldContext {
  readonly token: Uint8Array;
  readonly seen: SeenContext;
}

type Recorded = 'kind' | 'id' | 'invokedMs' | 'returnedMs' | 'outcome';
/** What a client says of a write that it begins. `write`: the first attempt of the same logical write, if there was one. */
export type BegunWrite = Omit<WriteAttempt, Recorded | 'write'> & { readonly write: number | undefined };
/** What a client says of a read that it begins. */
export type BegunRead = Omit<ReadAttempt, Recorded>;

export interface HistoryRecorderDependencies {
  /** One clock for all clients. */
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Contexts are bound to it. */
  readonly clusterId: string;
  readonly trace?: Trace | undefined;
  /** Called when a client hears that its write succeeded, after it was written down. */
  readonly onWriteDone?: ((attempt: WriteAttempt) => void) | undefined;
}

/** All attempts at one key. */
export interface RecordedKey extends KeyName {
  readonly recordKey: Uint8Array;
  readonly attempts: readonly Attempt[];
}

interface KeyLog extends RecordedKey {
  readonly attempts: Attempt[];
}

/** The server said nothing, and nothing was heard. */
const unheard = 'no answer yet';
const codeUnknown = 2;

export class HistoryRecorder {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #tokens: ContextTokens;
  readonly #trace: Trace | undefined;
  readonly #onWriteDone: ((attempt: WriteAttempt) => void) | undefined;
  readonly #keys = new Map<string, KeyLog>();
  #nextId = 1;
  #underWay = 0;

  constructor({ clock, clusterId, trace, onWriteDone }: HistoryRecorderDependencies) {
    this.#clock = clock;
    this.#tokens = new ContextTokens(clusterId);
    this.#trace = trace;
    this.#onWriteDone = onWriteDone;
  }

  /** Every key that an attempt was made at, in the order of the first attempts. */
  keys(): readonly RecordedKey[] {
    return [...this.#keys.values()];
  }

  /** How many attempts have begun. */
  get attempts(): number {
    return this.#nextId - 1;
  }

  /** How many of them have not ended. */
  get underWay(): number {
    return this.#underWay;
  }

  /** What a token from an answer about this key says. Throws when it belongs to another, or is damaged. */
  open(name: KeyName, token: Uint8Array): HeldContext {
    const opened = this.#tokens.decode(token, this.#keyLog(name).recordKey, 'context');
    if (opened === undefined) return { token, seen: nothingSeen };
    return { token, seen: { clock: opened.clock.map(entryOf), dots: opened.dots.map(dotName) } };
  }

  beginWrite(begun: BegunWrite): WriteAttempt {
    const id = this.#nextId;
    const attempt: WriteAttempt = {
      ...begun,
      kind: 'write',
      id,
      write: begun.write ?? id,
      invokedMs: this.#clock.monotonicMs(),
      returnedMs: Number.POSITIVE_INFINITY,
      outcome: {
        kind: 'unknown',
        code: codeUnknown,
        reason: undefined,
        safeToRetry: false,
        message: unheard,
      },
    };
    this.#begin(attempt);
    if (this.#trace !== undefined) this.#tell(attempt, beginningOf(attempt));
    return attempt;
  }

  beginRead(begun: BegunRead): ReadAttempt {
    const attempt: ReadAttempt = {
      ...begun,
      kind: 'read',
      id: this.#nextId,
      invokedMs: this.#clock.monotonicMs(),
      returnedMs: Number.POSITIVE_INFINITY,
      outcome: { kind: 'failed', code: codeUnknown, reason: undefined, message: unheard },
    };
    this.#begin(attempt);
    if (this.#trace !== undefined) {
      const least = attempt.minContext === undefined ? '' : ' with min_context';
      this.#tell(attempt, `reads at ${attempt.level}${least}`);
    }
    return attempt;
  }

  /** Where the answer names no dot, the growth of the context tells it: see `addedDot`. */
  writeAnswered(attempt: WriteAttempt, answer: WriteAnswer): HeldContext {
    const held = this.open(attempt, answer.context);
    const { report } = answer;
    let dot: DotName | undefined;
    if (answer.dot !== undefined) dot = dotName(answer.dot);
    else if (report !== undefined) dot = addedDot(attempt.context ?? nothingSeen, held.seen);
    this.#end(attempt);
    attempt.outcome = {
      kind: 'done',
      dot,
      context: held.seen,
      acked: report?.acked ?? 0,
      synced: report?.synced ?? 0,
      hinted: report?.hinted ?? 0,
      replayed: report?.replayed ?? false,
      coordinator: report?.coordinator ?? '',
    };
    if (this.#trace !== undefined) {
      const made = dot ?? (report === undefined ? 'nothing to touch' : 'a version that is not named');
      this.#tell(attempt, `done: ${made}${report?.replayed === true ? ' (replayed)' : ''}`);
    }
    this.#onWriteDone?.(attempt);
    return held;
  }

  writeFailed(attempt: WriteAttempt, { code, message, detail }: CallFailure): void {
    this.#end(attempt);
    const certain = detail !== undefined && detail.writeOutcome === WriteOutcome.WRITE_OUTCOME_NOT_APPLIED;
    attempt.outcome = certain
      ? { kind: 'not-applied', code, reason: detail.reason, message }
      : {
          kind: 'unknown',
          code,
          reason: detail?.reason,
          safeToRetry: detail?.safeToRetry ?? false,
          message,
        };
    if (this.#trace !== undefined) this.#tell(attempt, `${attempt.outcome.kind}: ${code} ${message}`);
  }

  readAnswered(attempt: ReadAttempt, response: GetResponse): HeldContext {
    const held = this.open(attempt, response.context);
    const report = response.report as ReadReport;
    this.#end(attempt);
    attempt.outcome = {
      kind: 'done',
      versions: response.versions.map(seenVersion),
      context: held.seen,
      answered: report.replicasAnswered,
      agreed: report.replicasAgreed,
      repaired: report.repairStarted,
      coordinator: report.coordinator,
    };
    if (this.#trace !== undefined) {
      const values = attempt.outcome.versions.map(({ value }) => value ?? 'deleted');
      this.#tell(attempt, values.length === 0 ? 'finds nothing' : `finds ${values.join(', ')}`);
    }
    return held;
  }

  readFailed(attempt: ReadAttempt, { code, message, detail }: CallFailure): void {
    this.#end(attempt);
    attempt.outcome = { kind: 'failed', code, reason: detail?.reason, message };
    if (this.#trace !== undefined) this.#tell(attempt, `failed: ${code} ${message}`);
  }

  #keyLog({ bucket, key }: KeyName): KeyLog {
    const name = `${bucket}/${key}`;
    let log = this.#keys.get(name);
    if (log === undefined) {
      log = { bucket, key, recordKey: recordKeyOf(bucket, Buffer.from(key, 'utf8')), attempts: [] };
      this.#keys.set(name, log);
    }
    return log;
  }

  #begin(attempt: Attempt): void {
    this.#nextId++;
    this.#underWay++;
    this.#keyLog(attempt).attempts.push(attempt);
  }

  #end(attempt: Attempt): void {
    assert(attempt.returnedMs === Number.POSITIVE_INFINITY, `attempt ${attempt.id} ended twice`);
    this.#underWay--;
    attempt.returnedMs = this.#clock.monotonicMs();
  }

  #tell(attempt: Attempt, text: string): void {
    this.#trace?.add({
      atMicros: Math.round(this.#clock.monotonicMs() * 1000),
      kind: 'client',
      at: attempt.client,
      peer: attempt.node,
      key: `${attempt.bucket}/${attempt.key}`,
      attempt: attempt.id,
      text,
    });
  }
}

/** What a client has seen that has seen nothing. */
export const nothingSeen: SeenContext = { clock: [], dots: [] };

export function dotName({ replica, epoch, counter }: Dot | WireDot): DotName {
  return `${replica}/${epoch}/${counter}`;
}

function entryOf({ replica, epoch, counter }: Dot | WireDot): ClockEntries[number] {
  return [replica, epoch, counter];
}

/** One version of an answer. */
export function seenVersion(version: Version): SeenVersion {
  const { body, dot, clock, writtenAt, expireTime } = version;
  assert(dot !== undefined && writtenAt !== undefined, 'a version without its dot or its time');
  return {
    dot: dotName(dot),
    clock: clock?.entries.map(entryOf) ?? [],
    value: body?.$case === 'value' ? valueText(body.value.data) : undefined,
    writtenAtMicros: microsOf(writtenAt),
    expiresAtMicros: expireTime === undefined ? undefined : microsOf(expireTime),
  };
}

function microsOf({ seconds, nanos }: Timestamp): number {
  return seconds * 1_000_000 + Math.floor(nanos / 1000);
}

/**
 * The write by which a context grew. The answer to a write covers what its context covered, and the write: that is how a
 * touch with a context tells its dot. `undefined` where more than one came in, or none.
 */
export function addedDot(before: SeenContext, after: SeenContext): DotName | undefined {
  let added: DotName | undefined;
  for (const [replica, epoch, counter] of after.clock) {
    const known = before.clock.find((entry) => entry[0] === replica && entry[1] === epoch)?.[2] ?? 0;
    if (known === counter) continue;
    if (known !== counter - 1 || added !== undefined) return undefined;
    added = `${replica}/${epoch}/${counter}`;
  }
  for (const dot of after.dots) {
    if (before.dots.includes(dot)) continue;
    if (added !== undefined) return undefined;
    added = dot;
  }
  return added;
}

function beginningOf(attempt: WriteAttempt): string {
  const { action, value, causality, level, sloppy, durability, requestId, ttlMs, write, id } = attempt;
  const what = value === undefined ? action : `${action} ${value}`;
  const again = write === id ? '' : `, again (write ${write})`;
  const lifetime = ttlMs === undefined ? '' : `, ttl ${ttlMs} ms`;
  const named = requestId === undefined ? '' : `, request ${requestId}`;
  return `${what}, ${causality}, at ${level}${sloppy === true ? ' (sloppy)' : ''}, ${durability}${lifetime}${named}${again}`;
}
