/**
 * Reports are truthful (docs/errors.md; semantics, "What an error means"; the ErrorDetail of kindred/v1/types.proto).
 *
 * A failure has one of the pairs (code, reason) of the table, with the outcome that the table says (or, for a write that a gRPC
 * library may have sent before, ABORTED and unknown with the reason of its last attempt): UNAVAILABLE, INVALID_ARGUMENT,
 * FAILED_PRECONDITION and RESOURCE_EXHAUSTED only where nothing was applied; DEADLINE_EXCEEDED and ABORTED for what is
 * unknown, and for the few cases of the table that certainly did nothing. A reason fits what was asked: KEY_EXISTS
 * only where the write asked to be refused, RETRY_UNSAFE only without a request id. An outcome that is unknown is safe to retry
 * if, and only if, the write has a request id. Codes that no client library makes up come with a detail. INTERNAL with a
 * detail is a defect of the server, and a violation whatever happened.
 *
 * A success is held to its report: as many replicas acknowledged as the level needs, as many of them fsynced as the durability
 * needs, hints only at ANY and with sloppy hand-off, where each counts as the replica that it is for; and as many answered a read as its level needs.
 *
 * Not checked: that a write reported as not applied was not (`not-applied-never-read`); failures without a detail whose
 * code a broken connection or the client's own deadline may have; the counts of replicas in failures, which clients do not
 * record; the report of a touch that was replayed, which tells of one replica only.
 */

import { attemptText, violationOf } from './attempt-text.ts';
import { answersOf } from './copies-left.ts';
import type { Attempt, KeyHistory, ReadAttempt, Violation, WriteAttempt } from './history.ts';
import type { DoneRead, DoneWrite } from './known-versions.ts';

const name = 'error-reports';

/** gRPC status codes, whose numbers are fixed. */
const code = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  internal: 13,
  unavailable: 14,
} as const;

/** ErrorReason of kindred/v1/types.proto, whose numbers are fixed. */
const reason = {
  notEnoughReplicas: 1,
  quorumTimeout: 2,
  replicaFailure: 3,
  contextNotReached: 4,
  contextInvalid: 5,
  conflict: 6,
  tooManySiblings: 7,
  requestIdReused: 9,
  tooLarge: 10,
  nodeOverloaded: 13,
  diskFull: 14,
  keyExists: 20,
  invalidRequest: 21,
  bucketUnknown: 22,
  nodeDraining: 23,
  storageFailed: 24,
  retryUnsafe: 25,
} as const;

type Outcome = 'not-applied' | 'unknown' | 'read';

interface Row {
  readonly code: number;
  readonly reason: number;
  readonly outcomes: readonly Outcome[];
}

function row(of: number, why: number, ...outcomes: readonly Outcome[]): Row {
  return { code: of, reason: why, outcomes };
}

/** The table of docs/errors.md. */
const table: readonly Row[] = [
  row(code.invalidArgument, reason.invalidRequest, 'not-applied', 'read'),
  row(code.invalidArgument, reason.contextInvalid, 'not-applied', 'read'),
  row(code.invalidArgument, reason.tooLarge, 'not-applied', 'read'),
  row(code.resourceExhausted, reason.tooLarge, 'not-applied', 'read'),
  row(code.invalidArgument, reason.requestIdReused, 'not-applied'),
  row(code.notFound, reason.bucketUnknown, 'not-applied', 'read'),
  row(code.unavailable, reason.notEnoughReplicas, 'not-applied', 'read'),
  row(code.unavailable, reason.nodeDraining, 'not-applied', 'read'),
  row(code.unavailable, reason.storageFailed, 'not-applied', 'read'),
  row(code.unavailable, reason.contextNotReached, 'not-applied', 'read'),
  row(code.resourceExhausted, reason.nodeOverloaded, 'not-applied', 'read'),
  row(code.resourceExhausted, reason.diskFull, 'not-applied'),
  row(code.failedPrecondition, reason.conflict, 'not-applied', 'read'),
  row(code.failedPrecondition, reason.keyExists, 'not-applied'),
  row(code.failedPrecondition, reason.tooManySiblings, 'not-applied'),
  row(code.deadlineExceeded, reason.quorumTimeout, 'not-applied', 'unknown', 'read'),
  row(code.aborted, reason.replicaFailure, 'not-applied', 'unknown', 'read'),
  row(code.aborted, reason.storageFailed, 'unknown'),
  row(code.aborted, reason.diskFull, 'unknown'),
  row(code.aborted, reason.retryUnsafe, 'unknown'),
];

/** What stopped the last attempt of a write that a gRPC library sent again by itself. */
const repeated: ReadonlyMap<number, Row> = new Map(
  table
    .filter((one) => one.outcomes.includes('not-applied'))
    .map((one) => [one.reason, row(code.aborted, one.reason, 'unknown')]),
);

const rows: ReadonlyMap<number, Row> = new Map(table.map((one) => [one.code * 100 + one.reason, one]));

/** Codes that come from Kindred alone: neither gRPC libraries nor broken connections make them. */
const neverTheLibrary: ReadonlySet<number> = new Set([
  code.invalidArgument,
  code.notFound,
  code.failedPrecondition,
  code.aborted,
]);

export function errorReports(key: KeyHistory): readonly Violation[] {
  const violations: Violation[] = [];
  for (const attempt of key.attempts) {
    const problem = attempt.kind === 'write' ? writeProblem(key, attempt) : readProblem(key, attempt);
    if (problem === undefined) continue;
    violations.push(
      violationOf(name, key, [attempt], attempt.returnedMs, `${attemptText(attempt)}: ${problem}`),
    );
  }
  return violations;
}

function writeProblem(key: KeyHistory, attempt: WriteAttempt): string | undefined {
  const { outcome, requestId } = attempt;
  switch (outcome.kind) {
    case 'done':
      return writeReportProblem(key, attempt as DoneWrite);
    case 'not-applied':
      return failureProblem(key, attempt, outcome.code, outcome.reason, 'not-applied');
    case 'unknown':
      if (outcome.safeToRetry && requestId === undefined) {
        return 'its outcome is unknown and it has no request id, but it is said to be safe to retry';
      }
      if (!outcome.safeToRetry && requestId !== undefined && outcome.reason !== undefined) {
        return 'it has a request id, but is said not to be safe to retry';
      }
      return failureProblem(key, attempt, outcome.code, outcome.reason, 'unknown');
  }
}

function readProblem(key: KeyHistory, attempt: ReadAttempt): string | undefined {
  const { outcome } = attempt;
  return outcome.kind === 'done'
    ? readReportProblem(key, attempt as DoneRead)
    : failureProblem(key, attempt, outcome.code, outcome.reason, 'read');
}

function failureProblem(
  key: KeyHistory,
  attempt: Attempt,
  failed: number,
  why: number | undefined,
  outcome: Outcome,
): string | undefined {
  if (why === undefined) {
    return neverTheLibrary.has(failed)
      ? `failed with code ${failed} and no detail, which only the server says`
      : undefined;
  }
  if (failed === code.internal) return `a defect of the server: code ${failed}, reason ${why}`;
  const known = rows.get(failed * 100 + why) ?? (failed === code.aborted ? repeated.get(why) : undefined);
  if (known === undefined)
    return `failed with code ${failed} for reason ${why}, which docs/errors.md does not know`;
  if (!known.outcomes.includes(outcome)) {
    const said = outcome === 'read' ? 'of a read' : `with the outcome ${outcome}`;
    return `failed with code ${failed} for reason ${why} ${said}, which docs/errors.md does not allow`;
  }
  return misfit(key, attempt, why);
}

/** A reason that cannot be true of what was asked. */
function misfit(key: KeyHistory, attempt: Attempt, why: number): string | undefined {
  if (attempt.kind === 'read') {
    const unasked = why === reason.contextNotReached && attempt.minContext === undefined;
    return unasked ? 'CONTEXT_NOT_REACHED, but it asked for no context' : undefined;
  }
  const { causality, context, action, requestId } = attempt;
  const isTouch = action === 'touch';
  switch (why) {
    case reason.keyExists:
      return causality === 'reject' ? undefined : 'KEY_EXISTS, but it did not ask to be refused then';
    case reason.conflict:
      return isTouch ? undefined : 'CONFLICT, but only a touch asks for one version';
    case reason.contextNotReached:
      return isTouch || context !== undefined ? undefined : 'CONTEXT_NOT_REACHED, but it has no context';
    case reason.contextInvalid:
      return isTouch || context !== undefined ? undefined : 'CONTEXT_INVALID, but it has no context';
    case reason.requestIdReused:
      return requestId !== undefined ? undefined : 'REQUEST_ID_REUSED, but it has none';
    case reason.retryUnsafe:
      return requestId === undefined ? undefined : 'RETRY_UNSAFE, but it has a request id';
    case reason.tooManySiblings:
      return key.conflictPolicy === 'siblings' ? undefined : 'TOO_MANY_SIBLINGS where the last write wins';
    default:
      return undefined;
  }
}

function writeReportProblem(
  key: KeyHistory,
  { outcome, action, level, sloppy, durability }: DoneWrite,
): string | undefined {
  const { acked, synced, hinted, replayed } = outcome;
  if (action === 'touch' && (replayed || outcome.dot === undefined)) return undefined;
  const homes = key.homes.length;
  if (acked > homes || synced > acked)
    return `reported ${acked} acknowledgements, ${synced} of them fsynced, of ${homes} replicas`;
  if (hinted > 0 && level !== 'any' && sloppy !== true)
    return `reported ${hinted} hints, which do not count at ${level}`;
  if (level === 'any' && hinted > 0) return undefined;
  if (acked + hinted > homes)
    return `reported ${acked} acknowledgements and ${hinted} hints, each for another of ${homes} replicas`;
  const needed = answersOf(level, homes);
  if (acked + hinted < needed)
    return `done with ${acked} acknowledgements and ${hinted} hints, and its level needs ${needed}`;
  const mustSync = durability === 'sync-quorum' ? needed : durability === 'sync-one' ? 1 : 0;
  return synced + hinted < mustSync
    ? `done with ${synced} fsynced replicas and ${hinted} hints, and ${durability} needs ${mustSync}`
    : undefined;
}

function readReportProblem(key: KeyHistory, { outcome, level }: DoneRead): string | undefined {
  const { answered, agreed } = outcome;
  const homes = key.homes.length;
  if (answered > homes || agreed > answered)
    return `reported ${answered} answers, ${agreed} of them agreeing, of ${homes} replicas`;
  const needed = answersOf(level, homes);
  return answered < needed ? `answered after ${answered} replicas, and its level needs ${needed}` : undefined;
}
