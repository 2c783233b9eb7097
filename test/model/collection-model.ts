/**
 * Random runs of one key on three stores that write, delete, compare, collect, crash, come back old or empty, and hand over
 * hints late, with the store's own decisions in the path. A deleted value must never come back: no quorum read shows it while
 * no store has forgotten anything since all were last level, and nobody holds it once all are level in the end.
 *
 * The assumptions (ADR 16): a deletion counts once two of three stores hold it; one store at a time forgets, until all have
 * compared with all; a message comes within `messageMs` or never, which is half of the grace here; and no clock goes back while
 * a disk is replaced.
 */

import { crc32 } from 'node:zlib';
import {
  collectableBefore,
  type EndedComparison,
  type GreetingStore,
  isSameProcess,
  noComparisons,
  type PeerComparisons,
  relyOn,
  type StoreProcess,
  settledComparison,
  stillHolds,
  withEnded,
  withOwnMark,
} from '../../src/core/anti-entropy/peer-comparisons.ts';
import { type Fence, stricterFence } from '../../src/core/anti-entropy/store-fence.ts';
import { type Death, deathOf, type TombstoneTimes } from '../../src/core/anti-entropy/tombstone.ts';
import type { OwnReplica } from '../../src/core/causality/actor.ts';
import { decideWrite } from '../../src/core/causality/coordinated-write.ts';
import { type Dot, dotText } from '../../src/core/causality/dot.ts';
import { receiveRecord } from '../../src/core/causality/received-record.ts';
import { mergeRecords, type VersionedRecord } from '../../src/core/causality/record.ts';
import { encodeRecord } from '../../src/core/causality/record-codec.ts';
import { covers } from '../../src/core/causality/vector-clock.ts';
import { replicaId } from '../../src/core/identity.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import type { CollectionRules } from './collection-rules.ts';

export interface CollectionViolation {
  readonly kind: 'deleted value read' | 'deleted value came back';
  readonly detail: string;
}

export interface CollectionRun {
  readonly violation: CollectionViolation | undefined;
  /** How often a tombstone was deleted: a run without says nothing. */
  readonly collected: number;
  readonly outdated: number;
}

export type Trace = (line: string) => void;

/** One run, wholly determined by its seed. */
export function runCollectionModel(seed: number, rules: CollectionRules, trace?: Trace): CollectionRun {
  return new Model(seed, rules, trace).play();
}

const graceMs = 1_000;
const messageMs = graceMs / 2;
const names = ['a', 'b', 'c'];

interface Hint {
  readonly to: number;
  readonly record: VersionedRecord;
  readonly receiverMark: number;
  /** Running time of its holder. */
  readonly keptAtMs: number;
}

/** What is on a disk. Nothing in it is ever changed in place but by its node. */
interface Disk {
  replica: number;
  former: { readonly replicaId: number; readonly mark: number } | undefined;
  born: number;
  mark: number;
  runningMs: number;
  epoch: number;
  record: VersionedRecord | undefined;
  entry: { readonly atMs: number; readonly digest: string } | undefined;
  comparisons: Map<number, PeerComparisons>;
  fences: Map<number, Fence>;
  hints: Hint[];
  collectedMark: number;
}

interface Node {
  readonly index: number;
  disk: Disk;
  older: Disk[];
  up: boolean;
  stillUntilMs: number;
  skewMs: number;
  process: StoreProcess;
  /** Whose greeting this process has taken, and who has taken its own. */
  readonly friends: Set<number>;
  readonly latest: Map<number, EndedComparison>;
  /** By node: the newest mark of its store. */
  readonly heard: Map<number, { process: StoreProcess; mark: number }>;
  /** Since it came back old: it names no writes before all have seen it. */
  unproven: boolean;
}

interface Message {
  readonly to: number;
  readonly record: VersionedRecord;
  readonly untilMs: number;
  /** In the hands of a process that stands still: it is sent when that goes on. */
  readonly heldBy: Node | undefined;
}

interface Compared {
  readonly from: number;
  readonly to: number;
  readonly startedAtMs: number;
  readonly process: StoreProcess;
  readonly peerProcess: StoreProcess;
  exchanged: boolean;
}

const digests = new WeakMap<VersionedRecord, string>();
function digestOf(record: VersionedRecord): string {
  let digest = digests.get(record);
  if (digest === undefined) {
    digest = Buffer.from(encodeRecord(record, crc32)).toString('latin1');
    digests.set(record, digest);
  }
  return digest;
}

class Model {
  readonly #random: SeededRandom;
  readonly #rules: CollectionRules;
  readonly #trace: Trace | undefined;
  readonly #nodes: Node[] = [];
  readonly #dead = new Map<string, string>();
  readonly #written: { readonly dot: Dot; readonly isValue: boolean }[] = [];
  #messages: Message[] = [];
  #comparisons: Compared[] = [];
  #cut = new Set<string>();
  #nowMs = 10_000;
  #ids = 100;
  #generations = 0;
  #forgetter: number | undefined;
  #violation: CollectionViolation | undefined;
  #collected = 0;
  #outdated = 0;

  constructor(seed: number, rules: CollectionRules, trace: Trace | undefined) {
    this.#random = new SeededRandom(seed);
    this.#rules = rules;
    this.#trace = trace;
    for (let index = 0; index < 3; index++) {
      const disk = this.#emptyDisk();
      this.#nodes.push({
        index,
        disk,
        older: [],
        up: true,
        stillUntilMs: 0,
        skewMs: 0,
        process: this.#newProcess(disk),
        friends: new Set(),
        latest: new Map(),
        heard: new Map(),
        unproven: false,
      });
    }
  }

  play(): CollectionRun {
    const steps = this.#random.between(60, 220);
    // Some runs are quiet, so that comparisons ripen; some are not.
    const calm = this.#random.pick([0, 20, 50]);
    for (let step = 0; step < steps && this.#violation === undefined; step++) {
      this.#pass(this.#random.below(this.#random.percent(25) ? graceMs / 2 : 60));
      if (this.#random.percent(calm)) this.#compare(this.#node(), this.#node());
      else this.#step();
    }
    if (this.#violation === undefined) this.#end();
    return { violation: this.#violation, collected: this.#collected, outdated: this.#outdated };
  }

  #step(): void {
    const dice = this.#random.below(100);
    if (dice < 12) this.#write(this.#node(), this.#random.percent(55));
    else if (dice < 30) this.#deliver();
    else if (dice < 50) this.#compare(this.#node(), this.#node());
    else if (dice < 60) this.#read(this.#node());
    else if (dice < 70) this.#replay(this.#node());
    else if (dice < 76) this.#cutOrHeal();
    else if (dice < 83) this.#crash(this.#node());
    else if (dice < 90) this.#comeBack(this.#node());
    else if (dice < 94) this.#forget(this.#node());
    else if (dice < 96) this.#standStill(this.#node());
    else if (dice < 98) this.#jump(this.#node());
    else this.#level();
  }

  // ---- Time ----

  #pass(ms: number): void {
    this.#nowMs += ms;
    for (const node of this.#nodes) {
      if (!this.#runs(node)) continue;
      // A gap counts for a little at most (running-time.ts).
      node.disk.runningMs += Math.min(ms, graceMs / 4);
      node.disk.mark = Math.max(node.disk.mark + 1, this.#wallMs(node) * 1_000);
      node.disk.born = Math.min(node.disk.born, node.disk.mark);
      if (this.#random.percent(8)) node.older.push(copyOf(node.disk));
      this.#advance(node);
      this.#collect(node);
      if (node.disk.record !== undefined) this.#adopt(node, node.disk.record);
      for (const peer of this.#nodes) if (this.#random.percent(70)) this.#hear(node, peer);
      // As the schedule of anti-entropy does it.
      if (this.#random.percent(25)) this.#compare(node, this.#node());
    }
    this.#messages = this.#messages.filter((message) => {
      const { heldBy } = message;
      if (heldBy !== undefined)
        return heldBy.up && (!this.#rules.dropsLateRepairs || this.#nowMs <= message.untilMs);
      return this.#nowMs <= message.untilMs;
    });
    for (const each of [...this.#comparisons]) if (this.#random.percent(50)) this.#goOn(each);
  }

  #runs(node: Node): boolean {
    return node.up && this.#nowMs >= node.stillUntilMs;
  }

  #wallMs(node: Node): number {
    return this.#nowMs + node.skewMs;
  }

  #ageMs(node: Node): number {
    return Math.floor(this.#rules.runningTime ? node.disk.runningMs : this.#wallMs(node));
  }

  #hear(node: Node, peer: Node): void {
    if (peer === node || !this.#talk(node, peer)) return;
    node.heard.set(peer.index, { process: peer.process, mark: peer.disk.mark });
  }

  // ---- Stores and greetings ----

  #emptyDisk(): Disk {
    return {
      replica: ++this.#ids,
      former: undefined,
      born: Number.POSITIVE_INFINITY,
      mark: 0,
      runningMs: 0,
      epoch: 0,
      record: undefined,
      entry: undefined,
      comparisons: new Map(),
      fences: new Map(),
      hints: [],
      collectedMark: 0,
    };
  }

  #newProcess(disk: Disk): StoreProcess {
    return { replicaId: disk.replica, generation: ++this.#generations, openedAtMark: disk.mark };
  }

  #start(node: Node): void {
    node.up = true;
    node.stillUntilMs = 0;
    node.friends.clear();
    node.latest.clear();
    node.heard.clear();
    for (const other of this.#nodes) other.friends.delete(node.index);
    this.#comparisons = this.#comparisons.filter(({ from, to }) => from !== node.index && to !== node.index);
    node.process = this.#newProcess(node.disk);
    let latestMs = 0;
    for (const [peer, kept] of node.disk.comparisons) {
      const last = kept.ripening.at(-1) ?? kept.relied.at(-1);
      if (last !== undefined) {
        node.latest.set(peer, last);
        node.heard.set(peer, { process: last.process, mark: last.peerMark });
      }
      for (const each of kept.ripening) latestMs = Math.max(latestMs, each.endedAtMs, each.ownMarkAtMs);
      for (const each of kept.relied) latestMs = Math.max(latestMs, each.reliedAtMs);
    }
    node.disk.runningMs = Math.max(node.disk.runningMs - this.#random.below(20), latestMs);
  }

  #greeting(node: Node): GreetingStore {
    const { former } = node.disk;
    return { ...node.process, formerReplicaId: former?.replicaId ?? 0, formerMark: former?.mark ?? 0 };
  }

  /** Whether the two exchange anything now. The first time they greet, and judge each other. */
  #talk(one: Node, other: Node): boolean {
    if (!this.#runs(one) || !this.#runs(other) || this.#cut.has(pair(one, other))) return false;
    if (!one.friends.has(other.index) || !other.friends.has(one.index)) {
      if (!this.#judge(one, other) || !this.#judge(other, one)) return false;
      one.friends.add(other.index);
      other.friends.add(one.index);
      for (const node of [one, other]) {
        if (node.friends.size < 2) continue;
        node.disk.former = undefined;
        node.unproven = false;
      }
    }
    if (!this.#rules.waitsForJudges) return true;
    return one.disk.former === undefined && other.disk.former === undefined;
  }

  /** What `judge` makes of the greeting of `node`: false if it is refused, and what becomes of it then. */
  #judge(judge: Node, node: Node): boolean {
    const greeting = this.#greeting(node);
    const relied = judge.disk.comparisons.get(node.index)?.relied.at(-1);
    const ofNode = relied === undefined ? undefined : { process: relied.process, mark: relied.peerMark };
    if (this.#rules.outdated(greeting, (id) => judge.disk.fences.get(id), ofNode)) {
      this.#trace?.(`${names[judge.index]} finds ${names[node.index]} outdated: it comes back empty`);
      this.#outdated++;
      node.disk = this.#emptyDisk();
      node.older = [];
      this.#start(node);
      return false;
    }
    const heard = judge.heard.get(node.index);
    const known = judge.disk.comparisons.get(node.index)?.ripening.at(-1);
    const isSetBack =
      (heard !== undefined && isEarlier(greeting, heard.process, heard.mark)) ||
      (known !== undefined && isEarlier(greeting, known.process, known.peerMark));
    if (isSetBack) {
      this.#trace?.(`${names[judge.index]} finds ${names[node.index]} set back: it takes another id`);
      this.#takeNewId(node);
      this.#start(node);
      return false;
    }
    const latest = judge.latest.get(node.index);
    if (latest !== undefined && !stillHolds(latest, greeting)) {
      if (
        this.#rules.stillValid(
          { ripening: [{ ...latest, ownMark: 0, ownMarkAtMs: 0 }], relied: [] },
          greeting,
        ).ripening.length === 0
      ) {
        judge.latest.delete(node.index);
      }
    }
    const kept = judge.disk.comparisons.get(node.index);
    if (kept !== undefined) judge.disk.comparisons.set(node.index, this.#rules.stillValid(kept, greeting));
    return true;
  }

  #takeNewId(node: Node): void {
    node.disk.former ??= { replicaId: node.disk.replica, mark: node.disk.mark };
    node.disk.replica = ++this.#ids;
  }

  // ---- Records ----

  #own(node: Node): OwnReplica {
    return { replica: replicaId(node.disk.replica), epochFloor: 0, nextEpoch: () => ++node.disk.epoch };
  }

  #store(node: Node, record: VersionedRecord): void {
    const before = node.disk.record;
    node.disk.record = record;
    if (before !== undefined && digestOf(before) === digestOf(record)) return;
    // A power failure between two files of a log: the record is kept, and its entry is not.
    if (deathOf(record) !== undefined && !this.#random.percent(10)) this.#arrived(node, record);
  }

  #arrived(node: Node, record: VersionedRecord): void {
    node.disk.entry = { atMs: this.#ageMs(node), digest: digestOf(record) };
  }

  /** An entry that was lost is made anew as soon as somebody looks. */
  #adopt(node: Node, record: VersionedRecord): void {
    const { entry } = node.disk;
    const counts = entry !== undefined && this.#rules.entryCounts(entry.digest, digestOf(record));
    if (deathOf(record) !== undefined && !counts) this.#arrived(node, record);
  }

  #receive(node: Node, record: VersionedRecord): void {
    const merged = receiveRecord(node.disk.record, record, 'siblings', this.#own(node));
    this.#store(node, merged);
  }

  #judged<Result>(
    node: Node,
    rule: (
      death: Death,
      times: TombstoneTimes,
      rules: { graceMs: number; nowMicros: number; nowMs: number },
    ) => Result,
  ): Result | false {
    const { record, entry } = node.disk;
    const death = record === undefined ? undefined : deathOf(record);
    if (record === undefined || death === undefined) return false;
    const counts = entry !== undefined && this.#rules.entryCounts(entry.digest, digestOf(record));
    const nowMs = this.#ageMs(node);
    const others = this.#nodes.filter((other) => other !== node).map(({ index }) => index);
    const kept = others.map((index) => node.disk.comparisons.get(index) ?? noComparisons);
    const times: TombstoneTimes = {
      arrivedAtMs: counts ? entry.atMs : undefined,
      confirmedBeforeMs: least(others.map((index) => node.latest.get(index)?.startedAtMs)),
      collectableBeforeMs: least(kept.map(collectableBefore)),
      deletableBeforeMs: least(kept.map((each) => settledComparison(each, nowMs, graceMs)?.startedAtMs)),
    };
    return rule(death, times, { graceMs, nowMicros: this.#wallMs(node) * 1_000, nowMs });
  }

  #answer(node: Node): VersionedRecord | undefined {
    return this.#judged(node, this.#rules.answersAbsent) ? undefined : node.disk.record;
  }

  #write(node: Node, isDeletion: boolean): void {
    if (!this.#runs(node) || (this.#rules.waitsForJudges && node.disk.former !== undefined) || node.unproven)
      return;
    const decision = decideWrite(
      node.disk.record,
      {
        value: isDeletion ? undefined : Uint8Array.of(this.#written.length),
        causality: { kind: 'blind', mode: 'overwrite' },
        expiry: { kind: 'never' },
        requestId: undefined,
      },
      {
        bucket: { conflictPolicy: 'siblings', siblingsMax: 100 },
        own: this.#own(node),
        nowMicros: this.#wallMs(node) * 1_000,
        tick: (after) => Math.max(after + 1, this.#wallMs(node) * 1_000),
      },
    );
    if (decision.kind !== 'write') return;
    const { record, dot } = decision;
    const version = record.versions.find((each) => each.dot === dot || dotText(each.dot) === dotText(dot));
    this.#trace?.(
      `${this.#nowMs} ${names[node.index]} writes ${isDeletion ? 'a deletion' : 'a value'} ${dotText(dot)}`,
    );
    this.#store(node, record);
    let holders = 1;
    for (const peer of this.#nodes) {
      if (peer === node) continue;
      const receiverMark = markOf(node, peer);
      if (this.#random.percent(50) && this.#talk(node, peer)) {
        this.#receive(peer, record);
        holders++;
        continue;
      }
      if (this.#random.percent(40)) this.#send(peer.index, record, undefined);
      if (this.#random.percent(60))
        node.disk.hints.push({ to: peer.index, record, receiverMark, keptAtMs: this.#ageMs(node) });
    }
    this.#written.push({ dot, isValue: !isDeletion });
    if (!isDeletion || holders < 2 || version === undefined) return;
    for (const earlier of this.#written) {
      if (earlier.isValue && covers(version.clock, earlier.dot))
        this.#dead.set(dotText(earlier.dot), dotText(dot));
    }
  }

  #send(to: number, record: VersionedRecord, heldBy: Node | undefined): void {
    this.#messages.push({ to, record, untilMs: this.#nowMs + this.#random.below(messageMs), heldBy });
  }

  #deliver(): void {
    const index = this.#random.below(this.#messages.length);
    const message = this.#messages[index];
    if (message === undefined) return;
    const node = this.#nodes[message.to] as Node;
    if (!this.#runs(node) || (message.heldBy !== undefined && !this.#runs(message.heldBy))) return;
    if (message.heldBy !== undefined && !this.#talk(message.heldBy, node)) return;
    this.#messages.splice(index, 1);
    if (this.#rules.waitsForJudges && node.disk.former !== undefined) return;
    this.#receive(node, message.record);
  }

  /** A read at quorum, coordinated by `node`: merges two answers, shows them, and repairs. */
  #read(node: Node): void {
    const others = this.#nodes.filter((other) => other !== node && this.#talk(node, other));
    const peer = others[this.#random.below(others.length)];
    if (peer === undefined) return;
    const both = others.length === 2 && this.#random.percent(30) ? others : [node, peer];
    const answers = both.map((each) => this.#answer(each));
    let merged: VersionedRecord | undefined;
    for (const answer of answers) {
      merged =
        merged === undefined
          ? answer
          : answer === undefined
            ? merged
            : mergeRecords(merged, answer, 'siblings');
    }
    if (merged === undefined) return;
    const revived = this.#revivedIn(merged);
    // The same node asked twice, or a store that has forgotten: two of three do not overlap with what was acknowledged.
    if (revived !== undefined && this.#forgetter === undefined) {
      this.#report('deleted value read', `${both.map((each) => names[each.index])} show ${revived}`);
    }
    const still = this.#random.percent(20);
    for (const [at, each] of both.entries()) {
      if (answers[at] === merged) continue;
      this.#send(each.index, merged, still ? node : undefined);
    }
    if (still) this.#standStill(node);
  }

  #replay(node: Node): void {
    const hint = node.disk.hints[this.#random.below(node.disk.hints.length)];
    if (hint === undefined) return;
    const target = this.#nodes[hint.to] as Node;
    if (!this.#talk(node, target)) return;
    node.disk.hints = node.disk.hints.filter((each) => each !== hint);
    if (this.#ageMs(node) - hint.keptAtMs > this.#rules.hintAgePart * graceMs) return;
    const { collectedMark, born } = target.disk;
    if (this.#rules.takesHint(hint.receiverMark, collectedMark, born)) this.#receive(target, hint.record);
  }

  // ---- Comparisons and collection ----

  #compare(from: Node, to: Node): void {
    if (from === to || !this.#talk(from, to)) return;
    if (this.#comparisons.some((each) => each.from === from.index && each.to === to.index)) return;
    this.#comparisons.push({
      from: from.index,
      to: to.index,
      startedAtMs: this.#ageMs(from),
      process: from.process,
      peerProcess: to.process,
      exchanged: false,
    });
  }

  #goOn(compared: Compared): void {
    const from = this.#nodes[compared.from] as Node;
    const to = this.#nodes[compared.to] as Node;
    const isOver = from.process !== compared.process || to.process !== compared.peerProcess;
    if (isOver || !this.#talk(from, to)) {
      if (isOver || this.#random.percent(30))
        this.#comparisons = this.#comparisons.filter((each) => each !== compared);
      return;
    }
    if (!compared.exchanged) {
      this.#exchange(from, to);
      compared.exchanged = true;
      if (this.#random.percent(60)) return;
    }
    this.#comparisons = this.#comparisons.filter((each) => each !== compared);
    const peerMark = this.#rules.marksComparisons ? ++to.disk.mark : to.process.openedAtMark;
    const ended = {
      startedAtMs: compared.startedAtMs,
      endedAtMs: this.#ageMs(from),
      process: to.process,
      peerMark,
    };
    from.latest.set(to.index, ended);
    const kept = from.disk.comparisons.get(to.index) ?? noComparisons;
    from.disk.comparisons.set(to.index, withEnded(kept, ended, graceMs));
  }

  /** As src/anti-entropy/key-repair.ts does it. */
  #exchange(from: Node, to: Node): void {
    const isListed = (node: Node): boolean =>
      node.disk.record !== undefined && !this.#judged(node, this.#rules.leavesOut);
    const same =
      from.disk.record !== undefined &&
      to.disk.record !== undefined &&
      digestOf(from.disk.record) === digestOf(to.disk.record);
    if (same || (!isListed(from) && !isListed(to))) return;
    const theirs = this.#answer(to);
    if (theirs === undefined && !isListed(from)) return;
    if (theirs !== undefined) this.#receive(from, theirs);
    if (from.disk.record !== undefined) this.#receive(to, from.disk.record);
  }

  #advance(node: Node): void {
    const nowMs = this.#ageMs(node);
    for (const [peer, before] of node.disk.comparisons) {
      let kept = withOwnMark(before, node.disk.mark, nowMs, graceMs);
      const ripe = this.#rules.ripe(kept, nowMs, graceMs);
      if (ripe !== undefined) {
        const { replicaId: id } = ripe.process;
        const fence = stricterFence(node.disk.fences.get(id), { process: ripe.process, mark: ripe.peerMark });
        node.disk.fences.set(id, fence);
        kept = relyOn(kept, ripe, nowMs, graceMs);
      }
      node.disk.comparisons.set(peer, kept);
    }
  }

  #collect(node: Node): void {
    if (!this.#judged(node, this.#rules.mayDelete)) return;
    for (const kept of node.disk.comparisons.values()) {
      const settled = settledComparison(kept, this.#ageMs(node), graceMs);
      node.disk.collectedMark = Math.max(node.disk.collectedMark, settled?.ownMark ?? 0);
    }
    this.#trace?.(`${this.#nowMs} ${names[node.index]} forgets the deletion`);
    node.disk.record = undefined;
    node.disk.entry = undefined;
    this.#collected++;
  }

  // ---- Faults ----

  #crash(node: Node): void {
    node.up = false;
    this.#comparisons = this.#comparisons.filter(({ from, to }) => from !== node.index && to !== node.index);
    this.#trace?.(`${this.#nowMs} ${names[node.index]} goes down`);
  }

  #comeBack(node: Node): void {
    if (node.up) return;
    this.#start(node);
    this.#trace?.(`${this.#nowMs} ${names[node.index]} is back`);
  }

  #forget(node: Node): void {
    if (this.#forgetter !== undefined && this.#forgetter !== node.index) return;
    this.#forgetter = node.index;
    const older = node.older[this.#random.below(Math.ceil(node.older.length / 2))];
    if (older === undefined || this.#random.percent(20)) {
      this.#trace?.(`${this.#nowMs} ${names[node.index]} loses its disk`);
      node.disk = this.#emptyDisk();
      node.older = [];
    } else {
      this.#trace?.(`${this.#nowMs} ${names[node.index]} comes back with an old disk`);
      node.disk = copyOf(older);
      node.unproven = true;
      // A copy of the files is found out at once; a snapshot of the volume only by those who know more of it.
      if (this.#random.percent(50)) this.#takeNewId(node);
    }
    this.#start(node);
    if (this.#random.percent(50)) node.up = false;
  }

  #standStill(node: Node): void {
    node.stillUntilMs =
      this.#nowMs + this.#random.below(this.#random.percent(40) ? 5 * graceMs : graceMs / 3);
  }

  #jump(node: Node): void {
    // Ahead, and never back: a store that is made after its clock went back could not tell hints for the one before it.
    node.skewMs += this.#random.pick([0, 3 * graceMs, 20 * graceMs]);
  }

  #cutOrHeal(): void {
    const [one, other] = [this.#node(), this.#node()];
    const name = pair(one, other);
    if (this.#cut.has(name)) this.#cut.delete(name);
    else if (one !== other) this.#cut.add(name);
  }

  /** All are up, and compare with all: what is left of a store that forgot is level again. */
  #level(): void {
    this.#cut.clear();
    for (const node of this.#nodes) {
      node.stillUntilMs = 0;
      if (!node.up) this.#comeBack(node);
    }
    // Greetings may end in a store that is outdated or set back, which greets again.
    for (let round = 0; round < 6; round++) this.#eachPair((one, other) => this.#talk(one, other));
    for (let round = 0; round < 3; round++) this.#eachPair((one, other) => this.#exchange(one, other));
    this.#forgetter = undefined;
  }

  /** Faults end; what is on its way comes, and all become level. */
  #end(): void {
    this.#level();
    for (const message of this.#messages.filter(({ untilMs }) => untilMs >= this.#nowMs)) {
      this.#receive(this.#nodes[message.to] as Node, message.record);
    }
    for (const node of this.#nodes) while (node.disk.hints.length > 0) this.#replay(node);
    this.#level();
    for (const node of this.#nodes) {
      const revived = node.disk.record === undefined ? undefined : this.#revivedIn(node.disk.record);
      if (revived !== undefined)
        this.#report('deleted value came back', `${names[node.index]} holds ${revived}`);
    }
  }

  #revivedIn({ versions }: VersionedRecord): string | undefined {
    for (const { dot, value } of versions) {
      const deletion = value === undefined ? undefined : this.#dead.get(dotText(dot));
      if (deletion !== undefined) return `${dotText(dot)}, which ${deletion} had deleted`;
    }
    return undefined;
  }

  #eachPair(work: (one: Node, other: Node) => void): void {
    for (const one of this.#nodes) for (const other of this.#nodes) if (one !== other) work(one, other);
  }

  #report(kind: CollectionViolation['kind'], detail: string): void {
    this.#violation ??= { kind, detail: `${detail} at ${this.#nowMs}` };
    this.#trace?.(`VIOLATION ${kind}: ${detail}`);
  }

  #node(): Node {
    return this.#random.pick(this.#nodes);
  }
}

function markOf(node: Node, peer: Node): number {
  return node.heard.get(peer.index)?.mark ?? 0;
}

function isEarlier(store: GreetingStore, process: StoreProcess, mark: number): boolean {
  return store.replicaId === process.replicaId && !isSameProcess(process, store) && store.openedAtMark < mark;
}

function pair(one: Node, other: Node): string {
  return [one.index, other.index].sort().join('-');
}

function least(times: readonly (number | undefined)[]): number | undefined {
  let result: number | undefined = Number.POSITIVE_INFINITY;
  for (const time of times)
    result = result === undefined || time === undefined ? undefined : Math.min(result, time);
  return result;
}

function copyOf(disk: Disk): Disk {
  return {
    ...disk,
    comparisons: new Map(disk.comparisons),
    fences: new Map(disk.fences),
    hints: [...disk.hints],
  };
}
