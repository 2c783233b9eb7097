/**
 * Draws a plan from a seed. Intensities differ from seed to seed, and each seed leaves some kinds of fault out altogether:
 * swarm testing (Groce et al., ISSTA 2012), which finds what a mixture of everything hides.
 */

import type { RarePath } from '../../../src/env/rare-path.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { drawFaults } from './draw-faults.ts';
import { drawProfile, drawRepair, drawTrial, isLong } from './draw-profile.ts';
import { drawProfileFaults } from './profile-faults.ts';
import type {
  ClientPlan,
  ClientProfile,
  ClockPlan,
  DiskWeather,
  KeyName,
  NetworkWeather,
  PlanProfile,
  SeedPlan,
} from './seed-plan.ts';

/** Keeps the chance that draws a plan apart from that of the world with the same seed. */
const planStream = 0x1_0000_0000 * 0x706c;
const profileStream = 0x1_0000_0000 * 0x7072;
/** Rot is found by reading all, one partition a second. */
const rottingPartitionsMax = 32;

/** Register clients share their keys with nobody, and the others share theirs with many. */
const profiles: readonly Exclude<ClientProfile, 'register'>[] = [
  'session',
  'merger',
  'blind',
  'retrier',
  'deleter',
  'expirer',
  'batcher',
  'streamer',
  'mixed',
];

/** Deletes most of all. */
const patientProfiles: readonly ClientProfile[] = [
  'deleter',
  'deleter',
  'deleter',
  'expirer',
  'merger',
  'blind',
  'retrier',
  'batcher',
  'mixed',
];

const lateProfiles: readonly ClientProfile[] = ['deleter', 'deleter', 'session', 'blind', 'retrier', 'mixed'];

/** The highest percentage of each: beyond it little else would happen, or the run would cost too much. */
const rarePathMax: Readonly<Record<RarePath, number>> = {
  'group-commit-cut-short': 100,
  'peer-frame-cut-short': 100,
  'peer-flush-late': 50,
  'peer-replies-cut-short': 50,
  'replica-overloaded': 3,
  'read-farthest-first': 50,
  'read-no-digests': 100,
  'read-digest-differs': 50,
  'hedge-at-once': 50,
  'epoch-lease-of-one': 20,
  'epoch-not-continued': 5,
  'repair-needlessly': 30,
  'repair-backlog-full': 30,
  'hint-batch-of-one': 100,
  'hint-delivered-twice': 50,
  'admission-refuses': 3,
  'pipeline-of-one': 100,
  'tree-read-needlessly': 50,
  'tree-stored-early': 50,
  'comparison-page-of-one': 30,
  'record-cache-misses': 100,
};

/** The plan of a seed: always the same one. `about`: as if the seed were about that. */
export function planOf(seed: number, about?: PlanProfile): SeedPlan {
  // A stream of its own, so that the mixture of a seed is the same whatever else there is.
  const choice = new SeededRandom(seed + profileStream);
  const drawn = drawProfile(choice);
  const profile = about ?? drawn;
  const repair = drawRepair(choice, profile);
  const trial = drawTrial(choice, profile);
  const random = new SeededRandom(seed + planStream);
  const spanMs = isLong(profile) ? random.between(40_000, 60_000) : random.between(10_000, 25_000);
  const nodes = Array.from({ length: random.between(5, 7) }, (_, index) => `n${index + 1}`);
  const bufferedPercent = random.percent(15) ? random.pick([50, 90, 97]) : undefined;
  const field = { nodes, spanMs, buffers: bufferedPercent !== undefined };
  const isQuiet = profile === 'quiet';
  const drawnPartitions = random.pick([16, 32, 64, 128]);
  const drawnPlan: SeedPlan = {
    seed,
    nodes,
    partitions: drawnPartitions,
    network: isQuiet ? calmNetwork(random) : drawNetwork(random),
    disk: drawDisk(random),
    clocks: drawClocks(random, nodes, profile),
    clients: isLong(profile)
      ? drawPatientClients(random, spanMs, bufferedPercent)
      : drawClients(random, spanMs, bufferedPercent),
    faults: profile === 'mixed' ? drawFaults(random, field) : drawProfileFaults(random, profile, field),
    rarePaths: isQuiet ? {} : drawRarePaths(random),
    profile,
    repair,
    ...(trial !== undefined && { trial }),
  };
  const rots = drawnPlan.faults.some(({ kind }) => kind === 'bit-flip');
  return rots ? { ...drawnPlan, partitions: Math.min(drawnPartitions, rottingPartitionsMax) } : drawnPlan;
}

function calmNetwork(random: SeededRandom): NetworkWeather {
  const latencyMin = random.pick([30, 100, 300, 1000]);
  return {
    latencyMin,
    latencyMax: latencyMin * random.between(2, 4),
    lossPercent: 0,
    retransmitMicros: random.between(20, 250) * 1000,
    spikePercent: 0,
    spikeMicros: 0,
    resetPerTenThousand: 0,
    sendBytesMax: random.pick([400, 4_000, 64_000, 1024 * 1024]),
  };
}

function drawNetwork(random: SeededRandom): NetworkWeather {
  const calm = calmNetwork(random);
  const { latencyMin } = calm;
  if (random.percent(35)) return calm;
  return {
    ...calm,
    latencyMax: latencyMin * random.between(2, random.pick([5, 20])),
    lossPercent: random.percent(60) ? random.between(1, random.pick([2, 6])) : 0,
    spikePercent: random.percent(60) ? random.between(1, random.pick([2, 5])) : 0,
    spikeMicros: random.between(5, random.pick([50, 800])) * 1000,
    resetPerTenThousand: random.percent(50) ? random.between(1, random.pick([3, 15])) : 0,
  };
}

function drawDisk(random: SeededRandom): DiskWeather {
  const writeMin = random.between(10, 100);
  const syncMin = random.between(50, 2000);
  const stalls = random.percent(40);
  return {
    writeMin,
    writeMax: writeMin * random.between(2, 10),
    syncMin,
    syncMax: syncMin * random.between(2, 8),
    stallPercent: stalls ? random.between(1, 3) : 0,
    stallMicros: stalls ? random.between(10, random.pick([50, 400])) * 1000 : 0,
  };
}

function drawClocks(
  random: SeededRandom,
  nodes: readonly string[],
  profile: PlanProfile,
): readonly ClockPlan[] {
  // Good clocks, those that NTP keeps, and those that nobody keeps.
  const offsetMax = random.pick(
    profile === 'skew' ? [200_000, 2_000_000, 5_000_000] : [0, 2000, 200_000, 5_000_000],
  );
  const driftMax = random.pick(profile === 'skew' ? [50, 500] : [0, 50, 500]);
  return nodes.map((node) => ({
    node,
    wallOffsetMicros: random.between(-offsetMax, offsetMax),
    driftPpm: random.between(-driftMax, driftMax),
  }));
}

function drawClients(
  random: SeededRandom,
  spanMs: number,
  bufferedPercent: number | undefined,
): readonly ClientPlan[] {
  const count = random.between(6, 14);
  const registers = random.pick([0, 1, 1, 1, 2, 2]);
  const shared = drawSharedKeys(random, random.between(4, 10));
  const hot = shared.slice(0, random.between(1, 2));
  const drawn = random.percent(50) ? [random.pick(profiles), random.pick(profiles)] : profiles;
  // A replica that forgot what it had not synced learns of it from a context: then more clients bring none.
  const favoured = bufferedPercent === undefined ? drawn : [...drawn, 'blind' as const, 'blind' as const];
  const shares = Array.from({ length: count }, () => random.between(50, 150));
  const sum = shares.reduce((total, share) => total + share, 0);
  const operations = random.between(500, 700);
  return shares.map((share, index) => {
    const own = Math.ceil((operations * share) / sum);
    const name = `c${index + 1}`;
    const isRegister = index < registers;
    const profile = isRegister ? 'register' : random.pick(random.percent(60) ? favoured : profiles);
    return {
      name,
      seed: random.next(),
      operations: own,
      profile,
      // The rest of the span goes by in waiting for answers.
      pauseMs: Math.max(1, Math.floor((spanMs * random.between(50, 75)) / 100 / own)),
      keys: isRegister ? drawOwnKeys(random, name) : drawKeysOfOne(random, shared, hot),
      ...(bufferedPercent !== undefined && { bufferedPercent }),
    };
  });
}

/**
 * Clients of a seed in which what they leave has to grow old. Most do what they do at the beginning and go; what they deleted
 * is left alone then. A few come back to some of the keys again and again, and create anew what may have been collected.
 */
function drawPatientClients(
  random: SeededRandom,
  spanMs: number,
  bufferedPercent: number | undefined,
): readonly ClientPlan[] {
  const shared = drawSharedKeys(random, random.between(12, 24));
  const early = random.between(4, 7);
  const late = random.between(1, 3);
  const writers = Array.from({ length: early + late }, (_, index): ClientPlan => {
    const isLate = index >= early;
    const operations = isLate ? random.between(8, 24) : random.between(20, 40);
    const ownSpanMs = isLate ? spanMs : random.between(3_000, Math.floor(spanMs / 3));
    const keys = isLate
      ? Array.from({ length: random.between(1, 3) }, () => random.pick(shared))
      : shared.filter(() => random.percent(60));
    const own = keys.filter((key, at) => keys.indexOf(key) === at);
    return {
      name: `c${index + 1}`,
      seed: random.next(),
      operations,
      profile: random.pick(isLate ? lateProfiles : patientProfiles),
      pauseMs: Math.max(1, Math.floor((ownSpanMs * random.between(50, 75)) / 100 / operations)),
      keys: own.length > 0 ? own : [random.pick(shared)],
      ...(bufferedPercent !== undefined && { bufferedPercent }),
    };
  });
  // What comes back for a moment somebody has to see.
  const operations = random.between(40, 90);
  const pauseMs = Math.floor((spanMs * 75) / 100 / operations);
  const name = `c${writers.length + 1}`;
  return [...writers, { name, seed: random.next(), operations, profile: 'reader', pauseMs, keys: shared }];
}

function drawSharedKeys(random: SeededRandom, count: number): readonly KeyName[] {
  const lwwPercent = random.pick([0, 20, 20, 40, 60]);
  const shortLivedPercent = random.pick([0, 0, 15]);
  return Array.from({ length: count }, (_, index) => {
    const isShortLived = random.percent(shortLivedPercent);
    const other = random.percent(lwwPercent) ? 'lww' : 'default';
    return { bucket: isShortLived ? 'short-lived' : other, key: `k${index + 1}` };
  });
}

function drawOwnKeys(random: SeededRandom, client: string): readonly KeyName[] {
  return Array.from({ length: random.between(1, 3) }, (_, index) => ({
    bucket: 'default',
    key: `register-${client}-${index + 1}`,
  }));
}

/** The hot ones, which nearly everybody uses, and some of the others. */
function drawKeysOfOne(
  random: SeededRandom,
  shared: readonly KeyName[],
  hot: readonly KeyName[],
): readonly KeyName[] {
  const percent = random.pick([20, 50, 100]);
  const keys = shared.filter((key) => random.percent(hot.includes(key) ? 85 : percent));
  return keys.length > 0 ? keys : [random.pick(shared)];
}

function drawRarePaths(random: SeededRandom): Readonly<Record<string, number>> {
  const offPercent = random.pick([100, 80, 60, 60, 30]);
  const drawn: Record<string, number> = {};
  for (const [path, max] of Object.entries(rarePathMax)) {
    // Both are drawn in any case, so that one path more or less does not change all that follows it.
    const isOff = random.percent(offPercent);
    const percent = random.between(1, max);
    if (!isOff) drawn[path] = percent;
  }
  return drawn;
}
