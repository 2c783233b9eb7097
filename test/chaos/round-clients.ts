/**
 * Which clients load a cluster in one round of a chaos run. Every round has keys of its own: those of earlier rounds lie
 * still, so that what a later fault takes away is not hidden by what is written after it.
 */

import type { ClientPlan, ClientProfile, KeyName } from '../simulation/plan/seed-plan.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

const pauseMs = 15;

/** How many of each there are, and over how many keys of its bucket its operations spread. */
const crew: readonly { readonly profile: ClientProfile; readonly count: number; readonly bucket: string }[] =
  [
    { profile: 'register', count: 4, bucket: 'default' },
    { profile: 'session', count: 3, bucket: 'default' },
    { profile: 'merger', count: 3, bucket: 'default' },
    { profile: 'blind', count: 1, bucket: 'default' },
    { profile: 'blind', count: 1, bucket: 'lww' },
    { profile: 'retrier', count: 3, bucket: 'default' },
    { profile: 'deleter', count: 2, bucket: 'default' },
    { profile: 'expirer', count: 1, bucket: 'short-lived' },
    { profile: 'batcher', count: 1, bucket: 'default' },
    { profile: 'streamer', count: 1, bucket: 'default' },
    { profile: 'mixed', count: 2, bucket: 'default' },
    { profile: 'mixed', count: 1, bucket: 'lww' },
  ];

const ownKeys = 40;
const sharedKeys = 150;
const hotKeys = 3;

/** The clients of a round; they stop when they are stopped. */
export function roundClients(round: number, random: SeededRandom): readonly ClientPlan[] {
  const plans: ClientPlan[] = [];
  for (const { profile, count, bucket } of crew) {
    for (let index = 0; index < count; index++) {
      const name = `r${round}-${profile}-${bucket}-${index + 1}`;
      plans.push({
        name,
        seed: random.next(),
        operations: Number.POSITIVE_INFINITY,
        profile,
        pauseMs,
        keys: keysOf(profile, name, round, bucket),
      });
    }
  }
  return plans;
}

function keysOf(profile: ClientProfile, client: string, round: number, bucket: string): readonly KeyName[] {
  // The only writer of its keys.
  if (profile === 'register') return numbered(bucket, `${client}/`, ownKeys);
  const shared = numbered(bucket, `r${round}/shared/`, sharedKeys);
  return profile === 'merger' ? [...shared, ...numbered(bucket, `r${round}/hot/`, hotKeys)] : shared;
}

function numbered(bucket: string, prefix: string, count: number): readonly KeyName[] {
  return Array.from({ length: count }, (_, index) => ({ bucket, key: `${prefix}${index}` }));
}
