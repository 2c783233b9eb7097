/**
 * Random reads against replicas that are modelled as sets of writes: whatever the order of answers, failures and repairs,
 * the core keeps what it promises.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { VersionedRecord } from '../../src/core/causality/record.ts';
import { joinClocks, type VectorClock } from '../../src/core/causality/vector-clock.ts';
import { ReadCore, type ReadStep } from '../../src/core/coordinator/read-core.ts';
import { type NodeId, nodeId, replicaId } from '../../src/core/identity.ts';
import { quorumOf, restoreAnswersOf } from '../../src/core/quorum/consistency-level.ts';
import { SeededRandom } from '../support/seeded-random.ts';

/** A set of writes, each of an actor of its own, as bits: the dumb twin of a record. 0: nothing. */
type Writes = number;

function recordOf(writes: Writes): VersionedRecord | undefined {
  if (writes === 0) return undefined;
  let clock: VectorClock = [];
  const versions = [];
  for (let bit = 0; bit < 8; bit++) {
    if ((writes & (1 << bit)) === 0) continue;
    const dot = { replica: replicaId(bit + 1), epoch: 1, counter: 1 };
    clock = joinClocks(clock, [dot]);
    const value = new Uint8Array();
    versions.push({ dot, clock: [], value, writtenAt: 1, expiresAt: undefined, requestId: undefined });
  }
  return { clock, versions };
}

function writesOf(record: VersionedRecord | undefined): Writes {
  let writes = 0;
  for (const { dot } of record?.versions ?? []) writes |= 1 << (dot.replica - 1);
  return writes;
}

const digestOf = (writes: Writes): string => (writes === 0 ? '' : `d${writes}`);

interface Replica {
  readonly node: NodeId;
  writes: Writes;
  damaged: boolean;
}

/** Something on its way back to the core. */
interface InFlight {
  readonly kind: 'record' | 'digest' | 'repair';
  readonly replica: Replica;
  readonly writes: Writes;
}

interface Run {
  readonly random: SeededRandom;
  readonly replicas: readonly Replica[];
  readonly failPercent: number;
  readonly writePercent: number;
}

type Outcome = { readonly kind: 'answer'; readonly writes: Writes } | { readonly kind: 'unmet' };

/** Plays one read to its end, and checks every step on the way. */
function read(run: Run, required: number, blockingRepair: boolean): Outcome {
  const { random, replicas, failPercent, writePercent } = run;
  const n = replicas.length;
  const core = new ReadCore({
    candidates: replicas.map(({ node }) => node),
    required,
    blockingRepair,
    minContext: undefined,
    policy: 'siblings',
    digestOf: (record) => digestOf(writesOf(record)),
    restoreAnswers: restoreAnswersOf(n),
  });
  const inFlight: InFlight[] = [];
  const answered = new Set<NodeId>();
  const asked = new Set<NodeId>();
  const find = (node: NodeId): Replica => {
    const replica = replicas.find((candidate) => candidate.node === node);
    if (replica === undefined) throw new Error(`${node} is no candidate`);
    return replica;
  };
  const carryOut = (step: ReadStep): void => {
    if (step.kind === 'ask') {
      for (const node of [...step.records, ...step.digests]) {
        asked.add(node);
        const kind = step.records.includes(node) ? 'record' : 'digest';
        inFlight.push({ kind, replica: find(node), writes: 0 });
      }
    } else if (step.kind === 'repair') {
      for (const node of step.nodes) {
        expect(asked.has(node)).toBe(true);
        inFlight.push({ kind: 'repair', replica: find(node), writes: writesOf(step.record) });
      }
    }
  };

  for (let events = 0; ; events++) {
    if (events > 300) throw new Error('the read does not end');
    for (;;) {
      const step = core.step();
      carryOut(step);
      if (step.kind === 'answer') {
        expect(answered.size).toBeGreaterThanOrEqual(required);
        const writes = writesOf(step.record);
        if (blockingRepair && writes !== 0) {
          const holders = replicas.filter(
            (replica) => !replica.damaged && (replica.writes & writes) === writes,
          );
          expect(holders.length).toBeGreaterThanOrEqual(required);
        }
        return { kind: 'answer', writes };
      }
      if (step.kind === 'unmet') return { kind: 'unmet' };
      expect(step.kind).not.toBe('context-not-reached');
      if (step.kind !== 'repair') break;
    }
    if (random.percent(15)) carryOut(core.hedge());
    // A write that reaches one replica in the midst of it all.
    const late = random.pick(replicas);
    if (random.percent(writePercent) && !late.damaged) late.writes |= 1 << random.below(8);
    // Nobody waits for ever: something is on its way, or the core would have ended.
    expect(inFlight.length).toBeGreaterThan(0);
    const [arrived] = inFlight.splice(random.below(inFlight.length), 1) as [InFlight];
    const { kind, replica, writes } = arrived;
    const { node } = replica;
    // Lost on the way there, or on the way back: then a repair has been done.
    const lost = random.percent(failPercent);
    if (kind === 'repair') {
      if (!lost || random.percent(50)) {
        replica.writes |= writes;
        replica.damaged = false;
      }
      if (lost) core.failed(node, 'timed-out');
      else core.repaired(node);
    } else if (lost) {
      answered.delete(node);
      core.failed(node, 'lost');
    } else if (replica.damaged) {
      answered.delete(node);
      core.failed(node, 'record-damaged');
    } else if (kind === 'record') {
      answered.add(node);
      core.answeredRecord(node, recordOf(replica.writes), digestOf(replica.writes));
    } else {
      answered.add(node);
      core.answeredDigest(node, digestOf(replica.writes));
    }
    // What comes twice, or unasked, changes nothing.
    if (random.percent(10)) core.answeredRecord(nodeId('stranger'), recordOf(255), digestOf(255));
    if (random.percent(10) && !inFlight.some((other) => other.replica === replica)) {
      core.answeredDigest(node, 'd255');
      core.failed(node, 'lost');
      core.repaired(node);
    }
  }
}

const shapes = fc.record({
  seed: fc.nat(),
  n: fc.integer({ min: 1, max: 5 }),
  failPercent: fc.constantFrom(0, 10, 30),
  writePercent: fc.constantFrom(0, 10, 30),
  damagedPercent: fc.constantFrom(0, 0, 20),
});

function runOf(shape: {
  seed: number;
  n: number;
  failPercent: number;
  writePercent: number;
  damagedPercent: number;
}): Run {
  const random = new SeededRandom(shape.seed);
  const replicas = Array.from({ length: shape.n }, (_, index) => ({
    node: nodeId(`n${index}`),
    writes: random.percent(30) ? 0 : random.below(256) & random.below(256),
    damaged: random.percent(shape.damagedPercent),
  }));
  return { random, replicas, failPercent: shape.failPercent, writePercent: shape.writePercent };
}

test('an answer comes from as many replicas as the level needs, and at quorum as many hold it', () => {
  fc.assert(
    fc.property(shapes, fc.nat({ max: 4 }), (shape, extra) => {
      const run = runOf(shape);
      const required = 1 + (extra % shape.n);
      read(run, required, required >= quorumOf(shape.n));
    }),
    { numRuns: 5_000 },
  );
});

test('two quorum reads in order never go back', () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const run = runOf(shape);
      const quorum = quorumOf(shape.n);
      let seen: Writes = 0;
      for (let reads = 0; reads < 4; reads++) {
        const outcome = read(run, quorum, true);
        if (outcome.kind !== 'answer') continue;
        expect(outcome.writes & seen).toBe(seen);
        seen = outcome.writes;
      }
    }),
    { numRuns: 5_000 },
  );
});

test('a write that a quorum acknowledged is read at quorum, though records get damaged and are restored', () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const run = runOf({ ...shape, damagedPercent: 0 });
      const { random, replicas } = run;
      const quorum = quorumOf(shape.n);
      let acknowledged: Writes = 0;
      for (let round = 0; round < 3; round++) {
        // One record is damaged at a time; a write does not count, nor stay, on a replica whose record is damaged.
        const intact = replicas.filter((replica) => !replica.damaged);
        const bit = 1 << round;
        if (intact.length >= quorum && !replicas.some((replica) => replica.damaged)) {
          for (let count = 0; count < quorum; count++) {
            const [replica] = intact.splice(random.below(intact.length), 1) as [Replica];
            replica.writes |= bit;
          }
          acknowledged |= bit;
          const damaged = random.pick(replicas);
          if (shape.n > 1 && random.percent(50)) {
            damaged.damaged = true;
            damaged.writes = 0;
          }
        }
        const outcome = read(run, quorum, true);
        if (outcome.kind === 'answer') expect(outcome.writes & acknowledged).toBe(acknowledged);
      }
    }),
    { numRuns: 5_000 },
  );
});
