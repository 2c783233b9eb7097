/** What a seed is about, and how long and busy it is then. */

import type { SeededRandom } from '../../support/seeded-random.ts';
import type { DetectionTrial, PlanProfile, RepairPlan } from './seed-plan.ts';

/** In a hundred seeds. */
const shares: Readonly<Record<PlanProfile, number>> = {
  mixed: 44,
  deletes: 16,
  crash: 5,
  pause: 5,
  partition: 6,
  'wiped-disk': 5,
  'restored-disk': 5,
  skew: 4,
  'slow-peers': 4,
  'long-absence': 4,
  quiet: 2,
};

/** All of them, the most frequent first. */
export const planProfiles: readonly PlanProfile[] = Object.keys(shares) as PlanProfile[];

export function drawProfile(random: SeededRandom): PlanProfile {
  let drawn = random.below(100);
  for (const profile of planProfiles) {
    drawn -= shares[profile];
    if (drawn < 0) return profile;
  }
  return 'mixed';
}

/** Seeds in which tombstones grow old: they take long, so their clients do little. */
export function isLong(profile: PlanProfile): boolean {
  return profile === 'deletes' || profile === 'long-absence';
}

/** The least grace that a configuration with requests of 2 to 5 s may have, and a little more. */
export function drawRepair(random: SeededRandom, profile: PlanProfile): RepairPlan {
  const graceMs = random.between(12_000, 15_000);
  const often = random.pick([1_000, 1_500, 2_000]);
  const comparisonMs = random.pick([1_000, 2_000, 2_000, 5_000]);
  const isShort = random.percent(25);
  if (isLong(profile)) return { graceMs, comparisonMs: often };
  return isShort ? { graceMs, comparisonMs } : { comparisonMs };
}

/** Takes seconds of a run that is over otherwise, so most seeds have none. */
export function drawTrial(random: SeededRandom, profile: PlanProfile): DetectionTrial | undefined {
  const drawn = random.pick(['crash', 'power', 'link'] as const);
  const percent = profile === 'quiet' ? 100 : isLong(profile) ? 0 : profile === 'mixed' ? 8 : 25;
  return random.percent(percent) ? drawn : undefined;
}
