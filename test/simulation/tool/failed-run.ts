/** A failed run, written by hand, for the tests of what is told of one: a value that a wiped disk took with it. */

import type { ReadAttempt, WriteAttempt } from '../../checkers/history.ts';
import type { TraceEntry } from '../kernel/trace.ts';
import { planOf } from '../plan/generate-plan.ts';
import type { SeedPlan } from '../plan/seed-plan.ts';
import type { SeedResult } from '../seed-result.ts';

/** The replica id of n2 before its disk was replaced. */
export const replica = 8_123_456_789_012_345;
const nothing = { clock: [], dots: [] };

export const failedPlan: SeedPlan = {
  ...planOf(1),
  seed: 42,
  network: {
    latencyMin: 100,
    latencyMax: 400,
    lossPercent: 6,
    retransmitMicros: 134_000,
    spikePercent: 2,
    spikeMicros: 79_000,
    resetPerTenThousand: 0,
  },
  disk: { writeMin: 20, writeMax: 200, syncMin: 300, syncMax: 2000, stallPercent: 3, stallMicros: 157_000 },
  clocks: planOf(1).nodes.map((node, index) => ({
    node,
    wallOffsetMicros: 1000 * index - 2000,
    driftPpm: 0,
  })),
  clients: [
    {
      name: 'c1',
      seed: 1,
      operations: 2,
      profile: 'merger',
      pauseMs: 5,
      keys: [{ bucket: 'default', key: 'k<1>' }],
    },
  ],
  faults: [
    { id: 1, atMs: 500, kind: 'wipe', node: 'n2', downMs: 300 },
    { id: 2, atMs: 9000, kind: 'partition', from: ['n1', 'n2'], to: ['n3'], direction: 'both', forMs: 10 },
  ],
};

const put: WriteAttempt = {
  kind: 'write',
  id: 7,
  write: 7,
  client: 'c1',
  node: 'n2',
  bucket: 'default',
  key: 'k<1>',
  action: 'put',
  value: 'v7',
  causality: 'overwrite',
  context: undefined,
  level: 'quorum',
  durability: 'sync-quorum',
  requestId: undefined,
  ttlMs: undefined,
  invokedMs: 1900,
  returnedMs: 1910,
  outcome: {
    kind: 'done',
    dot: `${replica}/1/1`,
    context: nothing,
    acked: 2,
    synced: 2,
    hinted: 0,
    replayed: false,
    coordinator: 'n2',
  },
};

const read: ReadAttempt = {
  kind: 'read',
  id: 9,
  client: 'c1',
  node: 'n3',
  bucket: 'default',
  key: 'k<1>',
  level: 'quorum',
  minContext: undefined,
  final: true,
  invokedMs: 12_000,
  returnedMs: 12_005,
  outcome: {
    kind: 'done',
    versions: [],
    context: nothing,
    answered: 2,
    agreed: 2,
    repaired: false,
    coordinator: 'n3',
  },
};

export const failedEntries: readonly TraceEntry[] = [
  { atMicros: 1_900_000, kind: 'client', at: 'c1', peer: 'n2', message: 5, direction: 'sent', text: 'Put' },
  {
    atMicros: 1_901_000,
    kind: 'client',
    at: 'n2',
    peer: 'c1',
    message: 5,
    direction: 'arrived',
    text: 'Put',
  },
  { atMicros: 1_902_000, kind: 'frame', at: 'n2', peer: 'n3', message: 6, direction: 'sent', text: 'merge' },
  { atMicros: 1_903_000, kind: 'frame', at: 'n2', peer: 'n3', message: 6, direction: 'lost', text: 'merge' },
  { atMicros: 1_904_000, kind: 'disk', at: 'n2', text: 'synced 1' },
  { atMicros: 1_910_000, kind: 'client', at: 'n2', peer: 'c1', message: 5, direction: 'sent', text: 'Put' },
  {
    atMicros: 1_911_000,
    kind: 'client',
    at: 'c1',
    peer: 'n2',
    message: 5,
    direction: 'arrived',
    text: 'Put',
  },
  { atMicros: 2_000_000, kind: 'fault', at: '', text: 'fault 1 begins: wipe' },
  { atMicros: 2_000_001, kind: 'process', at: 'n2', text: 'n2 is killed' },
  { atMicros: 10_500_000, kind: 'fault', at: '', text: 'fault 2 begins: partition' },
  { atMicros: 11_000_000, kind: 'fault', at: '', text: 'all faults are over' },
  { atMicros: 12_000_000, kind: 'client', at: 'c1', peer: 'n3', message: 8, direction: 'sent', text: 'Get' },
];

export const failedResult: SeedResult = {
  seed: 42,
  hash: '00112233aabbccdd',
  violations: [
    {
      checker: 'acknowledged-not-lost',
      message: `put 7 made ${replica}/1/1, and read 9 does not find it`,
      bucket: 'default',
      key: 'k<1>',
      attempts: [7, 9],
      atMs: 12_005,
    },
  ],
  counts: {
    operations: 2,
    acknowledged: 1,
    unknown: 0,
    notApplied: 0,
    reads: 1,
    failedReads: 0,
    faults: 2,
    events: 1234,
    restarts: 1,
    hintsDelivered: 0,
    comparisons: 0,
    keysRepaired: 0,
    collected: 0,
  },
  virtualMs: 13_000,
  history: {
    keys: [
      {
        bucket: 'default',
        key: 'k<1>',
        conflictPolicy: 'siblings',
        homes: ['n1', 'n2', 'n3'],
        attempts: [put, read],
        witnessed: [
          {
            dot: `${replica}/1/1`,
            clock: [],
            value: 'v7',
            writtenAtMicros: 1_900_000_000,
            expiresAtMicros: undefined,
            bucket: 'default',
            key: 'k<1>',
            node: 'n2',
            atMs: 1904,
            requestId: undefined,
            fingerprint: 1,
          },
        ],
        replicas: [],
      },
    ],
    memoryLosses: [{ node: 'n2', atMs: 2000, lost: 'everything' }],
    healedMs: 11_000,
    endedMs: 13_000,
    omniscient: true,
  },
};
