/**
 * Random runs of one key on three to five replicas, with the store's own decisions in the path and everything around them
 * going wrong: messages lost, repeated, late and out of order; retries through other replicas; contexts that are old; and
 * replicas that forget the key, or fall back to an older state of it, while their epoch lease stays.
 *
 * The assumption (without which no store of N copies keeps anything): an acknowledged write is on at least two replicas,
 * and between two full exchanges at most one replica forgets.
 */

import { crc32 } from 'node:zlib';
import { MalformedError } from '../../src/core/binary.ts';
import type { ConflictPolicy } from '../../src/core/bucket.ts';
import { equalBytes } from '../../src/core/bytes.ts';
import type { OwnReplica } from '../../src/core/causality/actor.ts';
import { contextOf, decodeContext, encodeContext } from '../../src/core/causality/context-token.ts';
import type { Causality, WriteIntent } from '../../src/core/causality/coordinated-write.ts';
import { type Dot, dotText, sameDot } from '../../src/core/causality/dot.ts';
import type { VersionedRecord } from '../../src/core/causality/record.ts';
import { decodeRecord, encodeRecord } from '../../src/core/causality/record-codec.ts';
import type { VectorClock } from '../../src/core/causality/vector-clock.ts';
import { HybridClock } from '../../src/core/hybrid-clock.ts';
import { type ReplicaId, replicaId } from '../../src/core/identity.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import type { RecordRules } from './record-rules.ts';
import {
  nothing,
  RecordSpecification,
  type SetState,
  type SpecifiedWrite,
  setText,
  writesMax,
} from './record-specification.ts';

/** What a run broke, and where. */
export interface Violation {
  readonly kind:
    | 'acknowledged write lost'
    | 'superseded write reappeared'
    | 'request counted twice'
    | 'dot names two writes'
    | 'replicas do not converge'
    | 'replicas do not stay equal'
    | 'record differs from the explicit sets'
    | 'record cannot be encoded or decoded';
  readonly detail: string;
}

export type Trace = (line: string) => void;

/** One run, wholly determined by its seed. */
export function runRecordModel(seed: number, rules: RecordRules, trace?: Trace): Violation | undefined {
  const run = new RecordRun(seed, rules, trace);
  try {
    return run.play();
  } catch (error) {
    const isRefused = error instanceof MalformedError || String(error).includes('assertion failed');
    if (!isRefused) throw error;
    trace?.(String(error));
    return { kind: 'record cannot be encoded or decoded', detail: String(error) };
  }
}

/** What a disk or a message holds: the bytes, what they decode to, and what they should say. */
class State implements SetState {
  readonly bytes: Uint8Array | undefined;
  readonly seen: number;
  readonly held: number;
  #record: VersionedRecord | undefined;

  constructor(bytes: Uint8Array | undefined, sets: SetState) {
    this.bytes = bytes;
    this.seen = sets.seen;
    this.held = sets.held;
  }

  /** Always from the bytes, never what was encoded into them. Once: nobody changes either. */
  get record(): VersionedRecord | undefined {
    if (this.#record === undefined && this.bytes !== undefined)
      this.#record = decodeRecord(this.bytes, crc32);
    return this.#record;
  }
}

interface Replica {
  readonly index: number;
  readonly own: OwnReplica;
  readonly clock: HybridClock;
  readonly skewMicros: number;
  state: State;
  /** An older state, to fall back to. */
  older: State;
  epoch: number;
  epochFloor: number;
}

interface Message {
  readonly to: Replica;
  readonly state: State;
  /** The broadcast whose acknowledgement it asks for. */
  readonly broadcast: Broadcast | undefined;
}

/** One attempt of one write to reach its level. */
interface Broadcast {
  readonly write: number;
  acknowledgements: number;
  isOpen: boolean;
}

interface Request {
  readonly number: number;
  readonly intent: WriteIntent;
  /** What the client had seen. `undefined`: it has no context, and an overwrite supersedes what the replica holds. */
  readonly past: number | undefined;
}

interface Reader {
  token: Uint8Array | undefined;
  past: number;
}

const empty = new State(undefined, nothing);
const binding = new Uint8Array(8);
/** Not in the order of the replicas, and over the whole range of 53 bits. */
const replicaIds: readonly ReplicaId[] = [
  0x0e_0000_0001, 0x1f_ffff_ffff_ffff, 0x01, 0x0a_bcde_f012, 0x10_0000_0000_0000,
].map(replicaId);
const bodies: readonly Uint8Array[] = Array.from({ length: writesMax + 1 }, (_, i) => Uint8Array.of(i));
const requestIds: readonly Uint8Array[] = Array.from({ length: writesMax + 1 }, (_, i) =>
  new Uint8Array(16).fill(i),
);
/** Full exchanges after which all replicas must be equal: one to spread, one for new epochs, one to find silence. */
const exchangesMax = 4;

class RecordRun {
  readonly #random: SeededRandom;
  readonly #rules: RecordRules;
  readonly #trace: Trace | undefined;
  readonly #policy: ConflictPolicy;
  readonly #specification: RecordSpecification;
  readonly #replicas: Replica[] = [];
  readonly #readers: Reader[] = [];
  readonly #requests: Request[] = [];
  readonly #broadcasts: Broadcast[] = [];
  readonly #sights: string[] = [];
  readonly #writeOfDot = new Map<number, number>();
  readonly #acknowledgementsNeeded: number;
  #flying: Message[] = [];
  readonly #delivered: Message[] = [];
  #forgetter: Replica | undefined;
  #nowMicros = 1_000_000_000;
  #violation: Violation | undefined;

  constructor(seed: number, rules: RecordRules, trace: Trace | undefined) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#rules = rules;
    this.#trace = trace;
    this.#policy = random.percent(15) ? 'last-write-wins' : 'siblings';
    this.#specification = new RecordSpecification(this.#policy);
    const count = random.between(3, 5);
    this.#acknowledgementsNeeded = random.between(2, count - 1);
    for (let index = 0; index < count; index++) this.#replicas.push(this.#newReplica(index));
    for (let i = 0; i < 3; i++) this.#readers.push({ token: undefined, past: 0 });
    trace?.(`${count} replicas, ${this.#acknowledgementsNeeded} acknowledge, ${this.#policy}`);
  }

  play(): Violation | undefined {
    const steps = this.#random.between(12, 48);
    for (let step = 0; step < steps && this.#violation === undefined; step++) {
      this.#nowMicros += this.#random.below(1000);
      this.#step();
    }
    if (this.#violation !== undefined) return this.#violation;
    for (const message of this.#flying) this.#deliver(message);
    this.#exchangeAll();
    // Every message once more: some tell what a replica forgot since, and are news again.
    if (this.#random.percent(25)) {
      for (const message of this.#delivered) this.#receive(message.to, message.state);
      this.#exchangeAll();
      this.#checkStaysEqual();
    }
    return this.#violation;
  }

  #step(): void {
    const dice = this.#random.below(100);
    if (dice < 28) this.#putAnew();
    else if (dice < 38) this.#retry();
    else if (dice < 66) this.#fly();
    else if (dice < 80) this.#read();
    else if (dice < 88) this.#readAndRepair();
    else if (dice < 95) this.#forget();
    else this.#exchangeAll();
  }

  #putAnew(): void {
    if (this.#specification.writes.length >= writesMax) return;
    const random = this.#random;
    const number = this.#requests.length;
    if (number >= writesMax) return;
    const reader = random.pick(this.#readers);
    let causality: Causality;
    let past: number | undefined;
    if (random.percent(60)) {
      causality = { kind: 'context', context: this.#contextFrom(reader), exact: false };
      past = reader.past;
    } else {
      const mode = random.percent(60) ? 'overwrite' : 'add-sibling';
      causality = { kind: 'blind', mode };
      past = mode === 'overwrite' ? undefined : 0;
    }
    const intent: WriteIntent = {
      value: random.percent(15) ? undefined : bodies[number],
      causality,
      expiry: random.percent(10) ? { kind: 'at', micros: 5_000_000_000 } : { kind: 'keep' },
      requestId: random.percent(60) ? requestIds[number] : undefined,
    };
    const request: Request = { number, intent, past };
    this.#requests.push(request);
    this.#put(request, random.pick(this.#replicas), reader);
  }

  #retry(): void {
    if (this.#requests.length === 0 || this.#specification.writes.length >= writesMax) return;
    // Mostly a recent one.
    const back = Math.min(this.#random.below(3), this.#requests.length - 1);
    const request = this.#requests[this.#requests.length - 1 - back] as Request;
    if (request.intent.requestId !== undefined)
      this.#put(request, this.#random.pick(this.#replicas), undefined);
  }

  #put(request: Request, replica: Replica, reader: Reader | undefined): void {
    const { state } = replica;
    const local = state.record;
    const decision = this.#rules.decide(local, request.intent, {
      bucket: { conflictPolicy: this.#policy, siblingsMax: 100 },
      own: replica.own,
      nowMicros: this.#nowMicros + replica.skewMicros,
      tick: (after) => replica.clock.tick(after),
    });
    if (decision.kind === 'refused') {
      if (decision.why !== 'context-not-reached') throw new Error(`refused: ${decision.why}`);
      this.#trace?.(
        `put #${request.number} at r${replica.index}: refused, it has not received what its writer has seen`,
      );
      return;
    }
    const { record, dot } = decision;
    let write: number;
    let next: State;
    if (decision.kind === 'replayed') {
      write = this.#writeOf(dot);
      next = state;
    } else {
      write = this.#specification.writes.length;
      if (this.#specification.heldOfRequest(state, request.number) !== undefined) {
        this.#report(
          'record differs from the explicit sets',
          `write ${write} repeats a request that r${replica.index} holds`,
        );
      }
      this.#registerDot(dot, write);
      const version = record.versions.find((candidate) => sameDot(candidate.dot, dot));
      const sets = this.#specification.write(state, {
        request: request.number,
        past: request.past ?? state.seen,
        order: [dot.replica, dot.epoch, dot.counter],
        writtenAt: version?.writtenAt ?? 0,
        sight: request.past === undefined && version !== undefined ? this.#sightOf(version.clock) : 0,
      });
      next = new State(encodeRecord(record, crc32), sets);
    }
    this.#trace?.(
      `put #${request.number} at r${replica.index}: ${decision.kind} write ${write} = ${dotText(dot)}` +
        `${request.past === undefined ? '' : `, having seen ${setText(request.past)}`}` +
        `${request.intent.value === undefined ? ', a deletion' : ''}, holds ${setText(next.held)}`,
    );
    this.#store(replica, next, record);
    const broadcast: Broadcast = { write, acknowledgements: 1 << replica.index, isOpen: true };
    this.#broadcasts.push(broadcast);
    const sent = this.#rules.outgoing(record, dot);
    const outgoing = sent === record ? next : new State(encodeRecord(sent, crc32), next);
    for (const to of this.#replicas) if (to !== replica) this.#send({ to, state: outgoing, broadcast });
    if (reader !== undefined && this.#random.percent(60)) {
      // What the writer had seen and its own write. Not the siblings that it never read.
      reader.token = encodeContext(decision.context, binding, crc32);
      reader.past = (this.#specification.writes[write] as SpecifiedWrite).past | (1 << write);
    }
  }

  #send(message: Message): void {
    const dice = this.#random.below(100);
    if (dice < 20) return; // lost
    if (dice < 55) this.#deliver(message);
    // The rest are late, and of those at once some come again.
    if (dice >= 48) this.#flying.push(message);
  }

  #fly(): void {
    const index = this.#random.below(this.#flying.length);
    const message = this.#flying[index];
    if (message === undefined) return;
    if (!this.#random.percent(15)) {
      this.#flying[index] = this.#flying[this.#flying.length - 1] as Message;
      this.#flying.pop();
    }
    if (!this.#random.percent(10)) this.#deliver(message);
  }

  #deliver(message: Message): void {
    const { to, broadcast } = message;
    this.#receive(to, message.state);
    this.#delivered.push(message);
    if (broadcast === undefined) return;
    if (!broadcast.isOpen || this.#random.percent(10)) return; // the answer is late, or lost
    broadcast.acknowledgements |= 1 << to.index;
    if (popCount(broadcast.acknowledgements) < this.#acknowledgementsNeeded) return;
    broadcast.isOpen = false;
    this.#specification.acknowledged |= 1 << broadcast.write;
    this.#trace?.(`write ${broadcast.write} is acknowledged`);
  }

  #receive(replica: Replica, message: State): boolean {
    const { state } = replica;
    const local = state.record;
    const incoming = message.record as VersionedRecord;
    for (const version of incoming.versions) replica.clock.observe(version.writtenAt);
    const record = this.#rules.receive(local, incoming, this.#policy, replica.own);
    if (record === local) return false;
    const bytes = record === incoming ? (message.bytes as Uint8Array) : encodeRecord(record, crc32);
    if (state.bytes !== undefined && equalBytes(bytes, state.bytes)) return false;
    const sets = state.bytes === undefined ? message : this.#specification.merge(state, message);
    const next = bytes === message.bytes && sets === message ? message : new State(bytes, sets);
    this.#store(replica, next, record);
    this.#trace?.(`r${replica.index} receives ${setText(message.held)}, holds ${setText(next.held)}`);
    return true;
  }

  #store(replica: Replica, next: State, record: VersionedRecord): void {
    if (this.#random.percent(25)) replica.older = replica.state;
    replica.state = next;
    // Kept until nothing worse is found: what a client can see is told first.
    let held = 0;
    for (const version of record.versions) held |= 1 << this.#writeOf(version.dot);
    if (held !== next.held) {
      this.#mismatch ??= `r${replica.index} holds ${setText(held)}, and should hold ${setText(next.held)}`;
    }
  }
  #mismatch: string | undefined;

  #contextFrom(reader: Reader): ReturnType<typeof contextOf> {
    if (reader.token === undefined) return contextOf(undefined);
    const result = decodeContext(reader.token, binding, crc32);
    if (result.kind === 'invalid') throw new Error(result.problem);
    return result.context;
  }

  #read(): void {
    const reader = this.#random.pick(this.#readers);
    const { state } = this.#random.pick(this.#replicas);
    reader.token = encodeContext(contextOf(state.record), binding, crc32);
    reader.past = state.seen;
  }

  #readAndRepair(): void {
    const random = this.#random;
    const first = random.pick(this.#replicas);
    const second = random.pick(this.#replicas);
    if (first.state.bytes === undefined || second.state.bytes === undefined) return;
    if (equalBytes(first.state.bytes, second.state.bytes)) return;
    const record = this.#rules.merge(
      first.state.record as VersionedRecord,
      second.state.record as VersionedRecord,
      this.#policy,
    );
    const merged = this.#specification.merge(first.state, second.state);
    const state = new State(encodeRecord(record, crc32), merged);
    this.#trace?.(`a read merges r${first.index} and r${second.index}: ${setText(state.held)}`);
    for (const to of [first, second, random.pick(this.#replicas)]) {
      this.#send({ to, state, broadcast: undefined });
    }
    const reader = random.pick(this.#readers);
    reader.token = encodeContext(contextOf(record), binding, crc32);
    reader.past = state.seen;
  }

  #forget(): void {
    const replica = this.#forgetter ?? this.#random.pick(this.#replicas);
    if (replica.state.bytes === undefined) return;
    this.#forgetter = replica;
    if (this.#random.percent(60)) {
      replica.state = empty;
      this.#trace?.(`r${replica.index} forgets the key`);
    } else {
      // An unclean stop with buffered writes: the store knows that it happened, and closes its epochs.
      replica.state = replica.older;
      replica.epochFloor = replica.epoch + 1;
      this.#trace?.(`r${replica.index} falls back to ${setText(replica.state.held)}`);
    }
    replica.older = empty;
  }

  /** Every replica gets what every other one holds, until nothing changes. */
  #exchangeAll(): void {
    // Who waits for an acknowledgement across a full exchange has given up: copies on both sides of it do not add up.
    for (const broadcast of this.#broadcasts) broadcast.isOpen = false;
    this.#forgetter = undefined;
    this.#trace?.('all exchange all');
    for (let round = 1; this.#exchangeOnce(); round++) {
      if (round === exchangesMax) {
        this.#report('replicas do not converge', `after ${exchangesMax} full exchanges`);
        return;
      }
    }
    this.#checkConverged();
  }

  /** All to one, one to all. */
  #exchangeOnce(): boolean {
    const hub = this.#random.pick(this.#replicas);
    let isChanged = false;
    for (const from of this.#replicas) if (this.#transfer(from, hub)) isChanged = true;
    for (const to of this.#replicas) if (this.#transfer(hub, to)) isChanged = true;
    return isChanged;
  }

  #transfer(from: Replica, to: Replica): boolean {
    const { state } = from;
    if (from === to || state.bytes === undefined) return false;
    // What repair does: equal digests end it.
    if (to.state.bytes !== undefined && equalBytes(to.state.bytes, state.bytes)) return false;
    return this.#receive(to, state);
  }

  #checkConverged(): void {
    const { bytes } = (this.#replicas[0] as Replica).state;
    for (const replica of this.#replicas) {
      const other = replica.state.bytes;
      if (bytes === other || (bytes !== undefined && other !== undefined && equalBytes(bytes, other)))
        continue;
      this.#report('replicas do not converge', `r0 and r${replica.index} differ and do not change`);
    }
    const { record } = (this.#replicas[0] as Replica).state;
    let held = 0;
    for (const version of record?.versions ?? []) held |= 1 << this.#writeOf(version.dot);
    // What readers are shown: each request once.
    let shown = 0;
    for (const version of record === undefined ? [] : this.#rules.shown(record))
      shown |= 1 << this.#writeOf(version.dot);
    const specification = this.#specification;
    const lost = specification.lost(shown);
    const reappeared = specification.reappeared(held);
    const duplicates = specification.duplicates(shown);
    const where = `all replicas hold ${setText(held)}`;
    if (lost !== 0) this.#report('acknowledged write lost', `${setText(lost)}; ${where}`);
    if (reappeared !== 0) this.#report('superseded write reappeared', `${setText(reappeared)}; ${where}`);
    if (duplicates !== 0) this.#report('request counted twice', `${setText(duplicates)}; ${where}`);
    if (this.#mismatch !== undefined) this.#report('record differs from the explicit sets', this.#mismatch);
  }

  /** What was ever delivered, again: it is all known now, and changes nothing. */
  #checkStaysEqual(): void {
    if (this.#violation !== undefined) return;
    for (const message of this.#delivered) {
      if (this.#receive(message.to, message.state)) {
        this.#report('replicas do not stay equal', `r${message.to.index} changed by a repeated message`);
      }
    }
    if (this.#exchangeOnce())
      this.#report('replicas do not stay equal', 'an exchange between equals changed one');
  }

  #registerDot(dot: Dot, write: number): void {
    const key = this.#dotKey(dot);
    const other = this.#writeOfDot.get(key);
    if (other === undefined) this.#writeOfDot.set(key, write);
    else this.#report('dot names two writes', `${dotText(dot)} is write ${other} and write ${write}`);
  }

  #writeOf(dot: Dot): number {
    const write = this.#writeOfDot.get(this.#dotKey(dot));
    if (write === undefined) throw new Error(`${dotText(dot)} was never written`);
    return write;
  }

  /** A number for what the writer of a blind overwrite had seen. */
  #sightOf(clock: VectorClock): number {
    const text = clock.map(dotText).join(' ');
    const known = this.#sights.indexOf(text);
    return known >= 0 ? known : this.#sights.push(text) - 1;
  }

  #dotKey(dot: Dot): number {
    return (replicaIds.indexOf(dot.replica) * 1024 + dot.epoch) * 1024 + dot.counter;
  }

  #report(kind: Violation['kind'], detail: string): void {
    if (this.#violation !== undefined) return;
    this.#violation = { kind, detail };
    this.#trace?.(`VIOLATION: ${kind}: ${detail}`);
  }

  #newReplica(index: number): Replica {
    const random = this.#random;
    // Up to 15 s apart: further than a clock adopts.
    const skewMicros = random.percent(50) ? 0 : random.below(15_000_000);
    const replica: Replica = {
      index,
      own: {
        replica: replicaIds[index] as ReplicaId,
        get epochFloor(): number {
          return replica.epochFloor;
        },
        nextEpoch: () => ++replica.epoch,
      },
      skewMicros,
      clock: new HybridClock(() => this.#nowMicros + skewMicros, 0),
      state: empty,
      older: empty,
      epoch: 0,
      epochFloor: 0,
    };
    return replica;
  }
}

function popCount(set: number): number {
  let count = 0;
  for (let rest = set; rest !== 0; rest &= rest - 1) count++;
  return count;
}
