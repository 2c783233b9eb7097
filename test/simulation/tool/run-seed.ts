/** Loads the simulation, with or without a known bug in it, and runs plans. */

import type { Trace } from '../kernel/trace.ts';
import type { SeedPlan } from '../plan/seed-plan.ts';
import type { SeedResult } from '../seed-result.ts';

/** Runs one plan to its end. Never rejects. */
export type RunPlan = (plan: SeedPlan, options?: { readonly trace?: Trace }) => Promise<SeedResult>;

/**
 * The simulation of the store as it is, or of the broken version of that name. A process holds one of them: patches are made
 * while the store is loaded. Throws for a name that is none.
 */
export async function loadSimulation(broken: string | undefined): Promise<RunPlan> {
  if (broken === undefined) return (await import('../simulation.ts')).runSeed;
  const { applyBrokenVersion } = await import('../broken/register.ts');
  const { notLoaded } = applyBrokenVersion(broken);
  const { runSeed } = await import('../simulation.ts');
  const missing = notLoaded();
  if (missing.length > 0) throw new Error(`${broken}: the simulation does not load ${missing.join(', ')}`);
  return runSeed;
}
