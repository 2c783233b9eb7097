/** The laws at the head of src/core/membership/gossip-state.ts. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  deltaOverheadBytes,
  digestBytes,
  entryBytes,
  type MemberDelta,
  type MemberDigest,
} from '../../src/core/membership/gossip-message.ts';
import { GossipState } from '../../src/core/membership/gossip-state.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const members = ['a', 'b', 'c', 'd', 'e'];
const nowMicros = 1_000_000_000;
const roomy = 1_000_000;

function state(self: string, generation = nowMicros): GossipState {
  return new GossipState({ self, members, generation });
}

/** One exchange as the shell runs it: digests, answer, deltas. Returns whether anything was new. */
function exchange(a: GossipState, b: GossipState, bytesMax: number, from: number): boolean {
  const { deltas, wanted } = b.answer(a.digests(bytesMax, from), bytesMax, from, nowMicros);
  const newToA = a.merge(deltas, nowMicros);
  const newToB = b.merge(a.deltas(wanted, bytesMax, from, nowMicros), nowMicros);
  return newToA.length + newToB.length > 0;
}

function known(state: GossipState): unknown {
  return members.map((node) => [state.digestOf(node), state.entriesOf(node)]);
}

/** What every member has written, at each of its versions: the twin that merging is held against. */
class Truth {
  readonly states: Map<string, GossipState> = new Map(members.map((node) => [node, state(node)]));
  readonly written: Map<string, Map<string, { readonly value: string; readonly version: number }>[]> =
    new Map();

  write(node: string, key: string, value: string): void {
    const own = this.states.get(node) as GossipState;
    const before = own.digestOf(node).version;
    own.set(key, value);
    const { generation, version } = own.digestOf(node);
    if (version === before) return;
    const life = `${node} ${generation}`;
    const history = this.written.get(life) ?? [new Map()];
    this.written.set(life, history);
    history[version] = new Map(history[version - 1]).set(key, { value, version });
  }

  restart(node: string): void {
    const { generation } = (this.states.get(node) as GossipState).digestOf(node);
    this.states.set(node, state(node, generation + 1));
  }

  /** No gaps, and nobody but a member writes its entries. */
  check(): void {
    for (const observer of this.states.values()) {
      for (const node of members) {
        const { generation, version } = observer.digestOf(node);
        if (version === 0) continue;
        const history = this.written.get(`${node} ${generation}`);
        expect(history?.[version]).toBeDefined();
        const got = new Map(observer.entriesOf(node).map((entry) => [entry.key, entry]));
        // Everything that the member had last written at or below the version is there. Keys that it has written
        // again since may still be missing: their newer entry comes.
        const newest = history?.at(-1) as Map<string, { readonly value: string; readonly version: number }>;
        for (const [key, entry] of newest)
          if (entry.version <= version) expect(got.get(key)).toEqual({ key, ...entry });
        for (const { key, value, version: at } of got.values()) {
          expect(history?.[at]?.get(key)).toEqual({ value, version: at });
        }
      }
    }
  }
}

type Step =
  | { readonly kind: 'write'; readonly node: string; readonly key: string; readonly value: string }
  | { readonly kind: 'exchange'; readonly a: string; readonly b: string; readonly bytesMax: number }
  | { readonly kind: 'restart'; readonly node: string };

const someNode = fc.constantFrom(...members);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      node: someNode,
      key: fc.constantFrom('zone', 'load', 'address', 'version'),
      value: fc.string({ maxLength: 20 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('exchange' as const),
      a: someNode,
      b: someNode,
      bytesMax: fc.integer({ min: 60, max: 400 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), node: someNode }) },
);

function run(steps: readonly Step[]): Truth {
  const truth = new Truth();
  steps.forEach((step, index) => {
    if (step.kind === 'write') truth.write(step.node, step.key, step.value);
    else if (step.kind === 'restart') truth.restart(step.node);
    else if (step.a !== step.b) {
      exchange(
        truth.states.get(step.a) as GossipState,
        truth.states.get(step.b) as GossipState,
        step.bytesMax,
        index * 7,
      );
    }
    truth.check();
  });
  return truth;
}

test('no gaps and no forged entries, in any order of writes, exchanges with full messages, and restarts', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      run(steps);
    }),
    { numRuns: 300 },
  );
});

test('two nodes that exchange until nothing is new know the same, however little a message holds', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 150, max: 1_000 }),
      (steps, bytesMax) => {
        const truth = run(steps);
        const { states } = truth;
        // Who has said nothing cannot be heard of.
        for (const node of ['a', 'b']) truth.write(node, 'zone', 'last');
        const a = states.get('a') as GossipState;
        const b = states.get('b') as GossipState;
        const random = new SeededRandom(steps.length);
        // A member has its turn when the random numbers say so: quiet once is not yet the end.
        for (let quiet = 0, rounds = 0; quiet < 30; rounds++) {
          expect(rounds).toBeLessThan(1_000);
          quiet = exchange(a, b, bytesMax, random.below(1_000)) ? 0 : quiet + 1;
        }
        expect(known(a)).toEqual(known(b));
        const { deltas, wanted } = b.answer(a.digests(roomy, 0), roomy, 0, nowMicros);
        expect({ deltas, wanted }).toEqual({ deltas: [], wanted: [] });
      },
    ),
    { numRuns: 200 },
  );
});

test('merging is the same whatever comes twice, late or in another order', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.array(fc.nat(1_000), { maxLength: 30 }),
      (steps, order) => {
        const { states } = run(steps);
        const sender = states.get('a') as GossipState;
        const whole = sender.deltas(
          members.map((node) => ({ node, generation: 0, version: 0 })),
          roomy,
          0,
          nowMicros,
        );
        const once = state('e', nowMicros * 2);
        once.merge(whole, nowMicros * 2);
        const often = state('e', nowMicros * 2);
        for (const index of order) {
          const delta = whole[index % Math.max(1, whole.length)];
          if (delta === undefined) continue;
          // A beginning of it, as from a full message.
          const entries = delta.entries.slice(0, 1 + (index % delta.entries.length));
          often.merge([{ ...delta, entries }], nowMicros * 2);
        }
        often.merge(whole, nowMicros * 2);
        expect(often.merge(whole, nowMicros * 2)).toEqual([]);
        expect(known(often)).toEqual(known(once));
      },
    ),
  );
});

test('no answer is larger than it may be, and a cut one has a beginning of the news', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 60, max: 500 }),
      fc.nat(1_000),
      (steps, bytesMax, from) => {
        const { states } = run(steps);
        for (const a of states.values()) {
          const digests = a.digests(bytesMax, from);
          expect(digestsBytes(digests)).toBeLessThanOrEqual(bytesMax);
          for (const b of states.values()) {
            const { deltas, wanted } = b.answer(digests, bytesMax, from, nowMicros);
            expect(digestsBytes(wanted) + deltasBytes(deltas)).toBeLessThanOrEqual(bytesMax);
            for (const { entries } of deltas) {
              const versions = entries.map(({ version }) => version);
              expect(versions).toEqual([...versions].sort((one, other) => one - other));
            }
          }
        }
      },
    ),
  );
});

test('unknown members and generations from the far future are ignored, and counted', () => {
  const a = state('a');
  const dayMicros = 24 * 60 * 60 * 1_000_000;
  const entries = [{ key: 'zone', value: 'x', version: 1 }];
  expect(
    a.merge(
      [
        { node: 'stranger', generation: nowMicros, entries },
        { node: 'b', generation: nowMicros + dayMicros + 1, entries },
      ],
      nowMicros,
    ),
  ).toEqual([]);
  a.answer([{ node: 'stranger', generation: 1, version: 1 }], roomy, 0, nowMicros);
  a.answer([{ node: 'b', generation: nowMicros + dayMicros + 1, version: 1 }], roomy, 0, nowMicros);
  expect(a.counters).toMatchObject({ unknownMembers: 2, futureGenerations: 2 });
  expect(a.digestOf('b')).toEqual({ node: 'b', generation: 0, version: 0 });
  expect(a.merge([{ node: 'b', generation: nowMicros + dayMicros, entries }], nowMicros)).toEqual([
    { node: 'b', restarted: true, entries },
  ]);
});

test('nobody else writes what a node says of itself: an earlier life that was ahead is outlived', () => {
  const earlier = state('a', nowMicros + 5_000);
  earlier.set('zone', 'old');
  const b = state('b');
  exchange(earlier, b, roomy, 0);
  expect(b.get('a', 'zone')).toBe('old');
  // The clock was set right in between.
  const a = state('a', nowMicros);
  a.set('zone', 'new');
  exchange(a, b, roomy, 0);
  exchange(a, b, roomy, 0);
  expect(a.get('a', 'zone')).toBe('new');
  expect(b.get('a', 'zone')).toBe('new');
  expect(a.counters.ownEntriesClaimed).toBe(1);
  const forged: MemberDelta = {
    node: 'a',
    generation: a.digestOf('a').generation,
    entries: [{ key: 'zone', value: 'forged', version: 99 }],
  };
  expect(a.merge([forged], nowMicros)).toEqual([]);
  expect(a.get('a', 'zone')).toBe('new');
});

test('a delta out of order, or with more keys than a member may have, changes nothing', () => {
  const a = state('a');
  const entry = (version: number): MemberDelta['entries'][number] => ({
    key: `k${version}`,
    value: '',
    version,
  });
  a.merge([{ node: 'b', generation: 1, entries: [entry(2), entry(1)] }], nowMicros);
  const first = Array.from({ length: 60 }, (_, i) => entry(i + 1));
  const second = Array.from({ length: 5 }, (_, i) => entry(i + 61));
  a.merge([{ node: 'b', generation: 1, entries: first }], nowMicros);
  a.merge([{ node: 'b', generation: 1, entries: second }], nowMicros);
  expect(a.counters.refusedDeltas).toBe(2);
  expect(a.digestOf('b').version).toBe(60);
});

function digestsBytes(digests: readonly MemberDigest[]): number {
  return digests.reduce((sum, digest) => sum + digestBytes(digest), 0);
}

function deltasBytes(deltas: readonly MemberDelta[]): number {
  return deltas.reduce(
    (sum, { node, generation, entries }) =>
      sum +
      deltaOverheadBytes(node, generation) +
      entries.reduce((bytes, entry) => bytes + entryBytes(entry), 0),
    0,
  );
}
