/**
 * Promise 1 (docs/consistency.md, "What is promised"): a write that was acknowledged and that nothing superseded is read
 * after the faults, and is on every replica at rest.
 *
 * Gone is legitimate where a write that is still there, or was itself superseded by one that is, had seen it. Who saw what
 * is taken from contexts and from the clocks of versions that really existed: a dot that a record's clock covers, and that
 * no version ever superseded, is a loss. A write of unknown outcome may supersede, one that was reported as not applied may
 * not. Retries with one request id are one write: any of their dots stands for all. Where the last write wins, what is
 * there must be the write itself or later in the order (written-at, dot) of ADR 4.
 *
 * The level does not matter: also what ONE replica acknowledged has to spread. What is promised after disks were lost is
 * the business of `copies-left.ts`: the write must survive if more homes acknowledged it than lost memory since it was
 * sent, or more had fsynced it than lost what is fsynced; otherwise nothing is promised. What was acknowledged by hints alone
 * (ANY, and sloppy hand-off where all homes are away) is promised while the node that took it keeps its disk, and more homes
 * were hinted than nodes lost theirs since: stand-ins as well as homes. Hints are fsynced and go when their home has fsynced, so
 * power takes nothing. A final read at fewer than ALL replicas
 * is held to a write only if the copies left and the replicas asked are more than N together.
 *
 * Also here: a write with a context supersedes no more than that context covers, and one that adds a sibling supersedes
 * nothing. What else it covered would be gone although nobody had read it (ADR 8).
 *
 * What a tombstone covered that may be collected by then counts as superseded, known and gone (`collected.ts`).
 *
 * Not checked: values that expired are looked at as versions, as if they were deletions. Without an observer of the disks,
 * a write of unknown outcome and unknown dot excuses whatever the final context covers. With a home that stays
 * damaged the state at rest is not compared (`replicas-converge` says so).
 */

import { attemptText, violationOf } from './attempt-text.ts';
import { ClockFloor, counterIn, coversParts, partsOf } from './clock-floor.ts';
import { collectedDots, withCollected } from './collected.ts';
import { answersOf, copiesLeft, lossesOfHomes } from './copies-left.ts';
import type {
  ClockEntries,
  DotName,
  KeyHistory,
  RunHistory,
  SeenContext,
  Violation,
  WriteAttempt,
} from './history.ts';
import { seenCovers } from './history.ts';
import {
  type DoneRead,
  type DoneWrite,
  type KnownVersion,
  type KnownVersions,
  knownVersions,
} from './known-versions.ts';

const name = 'acknowledged-not-lost';

export function acknowledgedNotLost(key: KeyHistory, run: RunHistory): readonly Violation[] {
  const violations: Violation[] = [];
  const known = knownVersions(key);
  checkContexts(key, known, violations);
  if (known.doneWrites.length === 0) return violations;

  const losses = lossesOfHomes(key, run);
  const homes = key.homes.length;
  const left = (write: DoneWrite): number => {
    const { acked, synced, hinted, coordinator } = write.outcome;
    const { invokedMs } = write;
    const stored = acked > 0 ? copiesLeft(losses, homes, { acked, synced }, invokedMs, run.endedMs) : 0;
    if (hinted === 0) return stored;
    const lostDisks = new Set(
      run.memoryLosses
        .filter(({ atMs, lost }) => lost !== 'unsynced' && atMs >= invokedMs)
        .map(({ node }) => node),
    );
    return lostDisks.has(coordinator) ? stored : Math.max(stored, hinted - lostDisks.size);
  };
  const promised = known.doneWrites.filter((write) => write.outcome.dot !== undefined && left(write) > 0);

  const intact = key.replicas.every((replica) => replica.record !== 'damaged');
  const states = new Map<string, { readonly nodes: string[]; readonly state: FinalState }>();
  for (const { node, record, versions, clock } of intact ? key.replicas : []) {
    const same = states.get(record ?? '');
    if (same !== undefined) {
      same.nodes.push(node);
      continue;
    }
    const context = withCollected(key, { clock, dots: [] }, run.endedMs);
    const held = [...versions.map((version) => version.dot), ...collectedDots(key, run.endedMs)];
    const state = new FinalState(key, run, known, context, held);
    states.set(record ?? '', { nodes: [node], state });
  }
  for (const { nodes, state } of states.values()) {
    for (const write of promised) {
      const loss = state.lossOf(write);
      if (loss === undefined) continue;
      const message = `${attemptText(write)} was acknowledged by ${ackText(write)}, and at rest ${nodes.join(', ')} ${loss}`;
      violations.push(violationOf(name, key, [write], run.endedMs, message));
    }
  }

  for (const read of known.doneReads) {
    if (!read.final) continue;
    const state = stateOfRead(key, run, known, read);
    const answers = answersOf(read.level, homes);
    for (const write of promised) {
      if (write.returnedMs > read.invokedMs || left(write) + answers <= homes) continue;
      const loss = state.lossOf(write);
      if (loss === undefined) continue;
      const message = `${attemptText(write)} was acknowledged by ${ackText(write)}, and ${attemptText(read)} ${loss}`;
      violations.push(violationOf(name, key, [write, read], read.returnedMs, message));
    }
  }
  return violations;
}

function ackText(write: DoneWrite): string {
  const { dot, acked, synced, hinted } = write.outcome;
  const who = acked > 0 ? `${acked} replicas (${synced} fsynced)` : `${hinted} hints`;
  return `${who} as ${dot}`;
}

/** What is left of a key, somewhere: what it holds, and everything that these versions came after. */
class FinalState {
  readonly #key: KeyHistory;
  readonly #known: KnownVersions;
  readonly #context: SeenContext;
  readonly #held: ReadonlySet<DotName>;
  /** Writes that may have superseded something without anybody seeing them. */
  readonly #unseen: readonly WriteAttempt[];
  readonly #superseded = new ClockFloor<true>();
  readonly #alive = new Set<number>();

  constructor(
    key: KeyHistory,
    run: RunHistory,
    known: KnownVersions,
    context: SeenContext,
    held: readonly DotName[],
  ) {
    this.#key = key;
    this.#known = known;
    this.#context = context;
    this.#held = new Set(held);
    this.#unseen = run.omniscient ? [] : known.unseen;
    if (key.conflictPolicy === 'siblings') this.#follow(held);
  }

  /** How the write is missing, in words that follow "the read ..."; `undefined`: it is not. */
  lossOf(write: DoneWrite): string | undefined {
    const dot = write.outcome.dot as DotName;
    if (!seenCovers(this.#context, dot))
      return `does not know of it: its context ${clockText(this.#context.clock)} does not cover the dot`;
    if (this.#held.has(dot) || this.#unseen.some((other) => maySupersede(other, dot))) return undefined;
    if (this.#key.conflictPolicy === 'last-write-wins') return this.#overtaken(dot);
    if (this.#alive.has(write.write) || this.#superseded.sourceOf(dot, partsOf(dot)) !== undefined)
      return undefined;
    return `has a clock that covers it, but neither holds it nor any version that came after it (it holds ${heldText(this.#held)})`;
  }

  /** Everything that the held versions had seen, and what those had seen that they superseded, and so on. */
  #follow(held: readonly DotName[]): void {
    const { byDot, byWrite } = this.#known;
    const done = new Set<DotName>();
    const waiting: DotName[] = [...held];
    // What a context says of single dots no clock repeats: where nobody knows the version that it led to, they may be its work.
    for (const { context } of this.#known.unseen) {
      for (const single of context?.dots ?? []) {
        this.#superseded.addDot(single, true);
        waiting.push(single);
      }
    }
    const actors = versionsByActor(byDot.values());
    const reached = new Map<string, number>();
    const enter = (dot: DotName): void => {
      if (!done.has(dot)) waiting.push(dot);
    };
    for (let dot = waiting.pop(); dot !== undefined; dot = waiting.pop()) {
      if (done.has(dot)) continue;
      done.add(dot);
      const version = byDot.get(dot);
      if (version === undefined) continue;
      if (version.write !== undefined && !this.#alive.has(version.write)) {
        this.#alive.add(version.write);
        for (const twin of byWrite.get(version.write) ?? []) enter(twin.dot);
      }
      this.#superseded.raise(version.clock, true);
      for (const single of version.dots) {
        this.#superseded.addDot(single, true);
        enter(single);
      }
      for (const [replica, epoch, counter] of version.clock) {
        const actor = `${replica}/${epoch}`;
        const versions = actors.get(actor);
        if (versions === undefined) continue;
        let next = reached.get(actor) ?? 0;
        for (; next < versions.length && (versions[next] as KnownVersion).parts.counter <= counter; next++) {
          enter((versions[next] as KnownVersion).dot);
        }
        reached.set(actor, next);
      }
    }
  }

  #overtaken(dot: DotName): string | undefined {
    const { byDot } = this.#known;
    const write = byDot.get(dot);
    // Never seen anywhere but in its answer: its time is not known.
    if (write?.writtenAtMicros === undefined && this.#held.size > 0) return undefined;
    for (const other of this.#held) {
      const version = byDot.get(other);
      if (write === undefined || version === undefined || isLater(version, write)) return undefined;
    }
    return `holds ${heldText(this.#held)}, which was written before it`;
  }
}

function stateOfRead(key: KeyHistory, run: RunHistory, known: KnownVersions, read: DoneRead): FinalState {
  const { versions } = read.outcome;
  const context = withCollected(key, read.outcome.context, read.returnedMs);
  const collected = collectedDots(key, read.returnedMs);
  if (versions.length > 0) {
    const held = [...versions.map((version) => version.dot), ...collected];
    return new FinalState(key, run, known, context, held);
  }
  // "Absent" hides deletions and what has expired: any of those that the context covers may be what is held.
  const hidden: KnownVersion[] = [];
  for (const version of known.byDot.values()) {
    if (version.mayBeHidden && seenCovers(context, version.dot)) hidden.push(version);
  }
  const held = [...hidden.map((version) => version.dot), ...collected];
  return new FinalState(key, run, known, context, held);
}

/** True when the write, if it happened, may have seen the dot. */
function maySupersede({ action, causality, context }: WriteAttempt, dot: DotName): boolean {
  if (context !== undefined && (causality === 'context' || action === 'touch'))
    return seenCovers(context, dot);
  return causality !== 'add-sibling' || action === 'touch';
}

function versionsByActor(versions: Iterable<KnownVersion>): Map<string, KnownVersion[]> {
  const actors = new Map<string, KnownVersion[]>();
  for (const version of versions) {
    const actor = `${version.parts.replica}/${version.parts.epoch}`;
    const list = actors.get(actor);
    if (list === undefined) actors.set(actor, [version]);
    else list.push(version);
  }
  for (const list of actors.values()) list.sort((a, b) => a.parts.counter - b.parts.counter);
  return actors;
}

function isLater(a: KnownVersion, b: KnownVersion): boolean {
  const byTime = (a.writtenAtMicros ?? 0) - (b.writtenAtMicros ?? 0);
  if (byTime !== 0) return byTime > 0;
  const { replica, epoch, counter } = a.parts;
  return (replica - b.parts.replica || epoch - b.parts.epoch || counter - b.parts.counter) > 0;
}

/** ADR 8: what a write supersedes that says what it has seen, and what it answers with, is no more than that. */
function checkContexts(key: KeyHistory, known: KnownVersions, violations: Violation[]): void {
  const reported = new Set<number>();
  for (const [write, versions] of known.byWrite) {
    const attempts = known.attemptsOf.get(write) ?? [];
    const contexts: SeenContext[] = [];
    for (const attempt of attempts) {
      const sight = sightOf(attempt);
      if (sight !== undefined) contexts.push(sight);
    }
    if (contexts.length === 0 || contexts.length < attempts.length) continue;
    for (const { dot, clock } of versions) {
      const allowed = contexts.some((context) => excessOf(clock, context) === undefined);
      if (allowed) continue;
      const [attempt] = attempts;
      if (attempt === undefined) continue;
      reported.add(write);
      const message = `${attemptText(attempt)} made ${dot} with the clock ${clockText(clock)}, which supersedes ${excessOf(clock, contexts[0] as SeenContext)}: its writer had not read that`;
      violations.push(violationOf(name, key, attempts, attempt.invokedMs, message));
    }
  }
  for (const write of known.doneWrites) {
    const { dot, context } = write.outcome;
    const sent = sightOf(write);
    if (sent === undefined || dot === undefined || reported.has(write.write)) continue;
    const own = partsOf(dot);
    const before = counterIn(sent.clock, own.replica, own.epoch);
    const clock = context.clock.filter(
      (entry) =>
        entry[0] !== own.replica ||
        entry[1] !== own.epoch ||
        entry[2] !== own.counter ||
        before !== own.counter - 1,
    );
    const excess =
      excessOf(clock, sent) ?? context.dots.find((single) => single !== dot && !seenCovers(sent, single));
    if (excess === undefined) continue;
    const message = `${attemptText(write)} was answered with a context that covers ${excess}, which its writer had not read`;
    violations.push(violationOf(name, key, [write], write.returnedMs, message));
  }
}

/** What a writer says that it has seen; `undefined`: what the coordinating replica holds. */
function sightOf({ causality, context }: WriteAttempt): SeenContext | undefined {
  if (causality === 'add-sibling') return nothingSeen;
  return causality === 'context' ? context : undefined;
}

const nothingSeen: SeenContext = { clock: [], dots: [] };

/** A dot that the clock covers and the context does not. */
function excessOf(clock: ClockEntries, context: SeenContext): DotName | undefined {
  for (const [replica, epoch, counter] of clock) {
    const parts = { replica, epoch, counter };
    if (!coversParts(context.clock, parts)) return `${replica}/${epoch}/${counter}`;
  }
  return undefined;
}

function clockText(clock: ClockEntries): string {
  return `{${clock.map((entry) => entry.join('/')).join(' ')}}`;
}

function heldText(held: ReadonlySet<DotName>): string {
  return held.size === 0 ? 'nothing' : [...held].join(', ');
}
