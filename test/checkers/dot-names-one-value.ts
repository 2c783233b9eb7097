/**
 * Promise 6 (docs/consistency.md): a dot names one value, for ever (docs/internals/causality.md, "Dots, actors and epochs").
 *
 * Whoever shows a version under a dot shows the same one: value, clock, written-at and deadline, on every disk, in every
 * answer and at rest. The dot that a finished write was answered with belongs to that logical write alone, and is shown with
 * its value. Replicas, epochs and counters start at 1 where they count, and no version's clock covers its own dot
 * (ADR 3).
 *
 * Nothing that was shown to anybody excuses a violation. But a version that only an observer saw, on a disk that lost power
 * before it was fsynced, never left its process: its number may be given again. So of several witnessed versions under
 * one dot those do not count that no other node stored, and whose node lost what was not fsynced before the last of them. If
 * somebody was shown such a version, that is looked at by itself.
 *
 * Not checked: that counters have no gaps. An epoch that opens on receipt begins with a counter of 1 that no version carries.
 */

import { attemptText, violationOf } from './attempt-text.ts';
import { coversParts, partsOf } from './clock-floor.ts';
import type {
  ClockEntries,
  DotName,
  KeyHistory,
  ReadAttempt,
  RunHistory,
  SeenVersion,
  Violation,
  WitnessedVersion,
} from './history.ts';
import { type DoneWrite, knownVersions } from './known-versions.ts';

const name = 'dot-names-one-value';

interface Showing {
  readonly version: SeenVersion;
  readonly where: string;
  readonly read: ReadAttempt | undefined;
  readonly fingerprint: number | undefined;
}

export function dotNamesOneValue(key: KeyHistory, run: RunHistory): readonly Violation[] {
  const violations: Violation[] = [];
  const { doneReads, doneWrites } = knownVersions(key);
  const writers = new Map<DotName, DoneWrite>();
  for (const write of doneWrites) {
    const { dot } = write.outcome;
    if (dot === undefined) continue;
    const other = writers.get(dot);
    if (other === undefined) writers.set(dot, write);
    else if (other.write !== write.write) {
      const message = `${attemptText(other)} and ${attemptText(write)} were both answered with the dot ${dot}`;
      violations.push(violationOf(name, key, [other, write], write.returnedMs, message));
    }
  }

  const shown = new Map<DotName, Showing>();
  const bad = new Set<DotName>();
  const look = (
    version: SeenVersion,
    where: () => string,
    atMs: number,
    read?: ReadAttempt,
    fingerprint?: number,
  ): void => {
    const { dot } = version;
    const first = shown.get(dot);
    const problem =
      first === undefined
        ? (structureProblem(version) ?? writerProblem(version, writers.get(dot)))
        : differenceOf(first, version, fingerprint);
    // Only an observer sees a fingerprint, and only a reader before the deadline sees the value: keep what tells most.
    if (first === undefined || (first.version.value === undefined && version.value !== undefined)) {
      if (first !== undefined && !bad.has(dot)) {
        const late = writerProblem(version, writers.get(dot));
        if (late !== undefined) {
          report(dot, `${where()}: ${late}`, atMs, [read, writers.get(dot)]);
          return;
        }
      }
      shown.set(dot, { version, where: where(), read, fingerprint: fingerprint ?? first?.fingerprint });
    }
    if (problem === undefined || bad.has(dot)) return;
    const before = first === undefined ? '' : `, and ${first.where} another`;
    report(dot, `${where()}: ${problem}${before}`, atMs, [first?.read, read, writers.get(dot)]);
  };
  const report = (
    dot: DotName,
    message: string,
    atMs: number,
    attempts: readonly (ReadAttempt | DoneWrite | undefined)[],
  ): void => {
    bad.add(dot);
    const involved = attempts.filter((attempt) => attempt !== undefined);
    violations.push(violationOf(name, key, involved, atMs, `${dot}: ${message}`));
  };
  for (const version of witnessesThatCount(key, run)) {
    look(
      version,
      () => `${version.node} stored one version at ${version.atMs} ms`,
      version.atMs,
      undefined,
      version.fingerprint,
    );
  }
  for (const read of doneReads) {
    for (const version of read.outcome.versions)
      look(version, () => `${attemptText(read)} shows one version`, read.returnedMs, read);
  }
  for (const { node, versions } of key.replicas) {
    for (const version of versions) look(version, () => `${node} holds one version at rest`, run.endedMs);
  }
  return violations;
}

/** Without the versions that went with the power before anybody but the observer saw them. */
function witnessesThatCount(
  { witnessed }: KeyHistory,
  { memoryLosses }: RunHistory,
): readonly WitnessedVersion[] {
  const losses = memoryLosses.filter((loss) => loss.lost === 'unsynced');
  if (losses.length === 0) return witnessed;
  const lastOf = new Map<DotName, WitnessedVersion>();
  for (const version of witnessed) {
    const last = lastOf.get(version.dot);
    if (last === undefined || last.atMs <= version.atMs) lastOf.set(version.dot, version);
  }
  return witnessed.filter(({ dot, node, atMs, alsoStoredBy }) => {
    if (alsoStoredBy !== undefined) return true;
    const nextMs = (lastOf.get(dot) as WitnessedVersion).atMs;
    return !losses.some((loss) => loss.node === node && loss.atMs >= atMs && loss.atMs <= nextMs);
  });
}

function structureProblem({ dot, clock }: SeenVersion): string | undefined {
  const parts = partsOf(dot);
  const { replica, epoch, counter } = parts;
  if (!(Number.isSafeInteger(replica) && isCount(epoch) && isCount(counter))) return 'it is no dot';
  if (coversParts(clock, parts)) return 'its clock covers its own dot';
  if (!clock.every((entry) => isCount(entry[1]) && isCount(entry[2])))
    return 'its clock has an entry that counts nothing';
  return undefined;
}

function isCount(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 1;
}

function writerProblem(
  { value, expiresAtMicros }: SeenVersion,
  writer: DoneWrite | undefined,
): string | undefined {
  if (writer === undefined || writer.action === 'touch') return undefined;
  const text = attemptText(writer);
  if (value !== undefined && value !== writer.value)
    return `its value is "${value}", but it is the dot of ${text}`;
  const isDeletion = value === undefined && expiresAtMicros === undefined;
  if (isDeletion && writer.value !== undefined) return `it is a deletion, but it is the dot of ${text}`;
  return undefined;
}

function differenceOf(
  first: Showing,
  { value, clock, writtenAtMicros, expiresAtMicros }: SeenVersion,
  fingerprint: number | undefined,
): string | undefined {
  const { version } = first;
  if (first.fingerprint !== undefined && fingerprint !== undefined && first.fingerprint !== fingerprint) {
    return `fingerprints ${first.fingerprint} and ${fingerprint} under one dot`;
  }
  if (version.expiresAtMicros !== expiresAtMicros)
    return `deadlines ${version.expiresAtMicros} and ${expiresAtMicros} under one dot`;
  // With a deadline, a value may be gone for one reader and not for the other.
  const comparable = expiresAtMicros === undefined || (version.value !== undefined && value !== undefined);
  if (comparable && version.value !== value)
    return `values "${version.value ?? 'deletion'}" and "${value ?? 'deletion'}" under one dot`;
  if (version.writtenAtMicros !== writtenAtMicros)
    return `written at ${version.writtenAtMicros} and ${writtenAtMicros} under one dot`;
  if (!sameClock(version.clock, clock)) return 'two clocks under one dot';
  return undefined;
}

/** Clocks are canonical: equal ones are equal entry by entry. */
function sameClock(a: ClockEntries, b: ClockEntries): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as ClockEntries[number];
    const y = b[i] as ClockEntries[number];
    if (x[0] !== y[0] || x[1] !== y[1] || x[2] !== y[2]) return false;
  }
  return true;
}
