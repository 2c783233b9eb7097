/**
 * Puts failure detection to the test where nothing else happens, so that what must come about can be told exactly:
 *
 * `failure-noticed`: a process that ends, and a machine that loses its power, is FAILED for every other node within 10 s, and
 * UP again for all soon after it is back. `no-false-failure`: nobody else is FAILED meanwhile; and nobody at all is where two
 * nodes do not hear each other while the others hear both, because these vouch for them.
 */

import type { DetectionTrial } from './plan/seed-plan.ts';
import type { Judgement } from './world/cluster.ts';

/** A failure is known everywhere by then. */
export const noticedWithinMs = 10_000;
/** It goes on being known for so long, and would for ever. */
const staysMs = 4_000;
/** Whoever is back is taken for up by then, if it had failed again and again before. */
export const upAgainWithinMs = 30_000;
/**
 * Two nodes do not hear each other for so long: long enough to be suspicious, and less than the time after which a node relies on
 * nobody's word that another lives (`failure_detector.suspicion_ms`).
 */
const separatedMs = 5_500;

/** What a trial does to the cluster, and sees of it. */
export interface TrialGround {
  readonly nodes: readonly string[];
  readonly nowMs: () => number;
  readonly judgements: () => readonly Judgement[];
  readonly kill: (node: string, how: 'process' | 'power') => void;
  readonly start: (node: string) => void;
  readonly separate: (a: string, b: string, on: boolean) => void;
  readonly unready: () => string | undefined;
  /** Resolves when the condition holds; rejects when it does not by then. */
  readonly until: (condition: () => boolean, boundMs: number, what: string) => Promise<void>;
  readonly violate: (checker: string, message: string) => void;
}

export async function runTrial(
  trial: DetectionTrial,
  victims: readonly string[],
  ground: TrialGround,
): Promise<void> {
  const [first = '', second = ''] = victims;
  if (trial === 'link') await separation(first, second, ground);
  else await death(first, trial === 'crash' ? 'process' : 'power', ground);
  await allUp(ground);
}

/** Waits until every node takes every other for up. */
export async function allUp(
  ground: Pick<TrialGround, 'nowMs' | 'judgements' | 'unready' | 'until'>,
): Promise<void> {
  const boundMs = ground.nowMs() + upAgainWithinMs;
  const isWell = (): boolean => ground.unready() === undefined && ground.judgements().length === 0;
  await ground.until(isWell, boundMs, 'every node is up for every other');
}

async function death(victim: string, how: 'process' | 'power', ground: TrialGround): Promise<void> {
  const sinceMs = ground.nowMs();
  const others = ground.nodes.filter((node) => node !== victim);
  ground.kill(victim, how);
  const unaware = (): readonly string[] => {
    const failed = ground.judgements().filter(({ state }) => state === 'failed');
    accuse(
      failed.filter(({ node }) => node !== victim),
      ground,
    );
    const aware = failed.filter(({ node }) => node === victim).map(({ by }) => by);
    return others.filter((node) => !aware.includes(node));
  };
  const boundMs = sinceMs + noticedWithinMs;
  const isNoticed = (): boolean => unaware().length === 0 || ground.nowMs() > boundMs;
  await ground.until(isNoticed, boundMs + 1_000, 'a trial ends');
  // And it stays so: nobody has heard from it since.
  const staysUntilMs = ground.nowMs() + staysMs;
  const isForgotten = (): boolean => unaware().length > 0 || ground.nowMs() > staysUntilMs;
  await ground.until(isForgotten, staysUntilMs + 1_000, 'a trial ends');
  const without = unaware();
  if (without.length > 0) {
    const what = how === 'power' ? 'lost its power' : 'ended';
    const agoMs = Math.round(ground.nowMs() - sinceMs);
    ground.violate(
      'failure-noticed',
      `${victim} ${what} ${agoMs} ms ago, and is not FAILED for ${without.join(', ')}`,
    );
  }
  ground.start(victim);
}

async function separation(a: string, b: string, ground: TrialGround): Promise<void> {
  const untilMs = ground.nowMs() + separatedMs;
  ground.separate(a, b, true);
  const look = (): boolean => {
    accuse(
      ground.judgements().filter(({ state }) => state === 'failed'),
      ground,
    );
    return ground.nowMs() > untilMs;
  };
  await ground.until(look, untilMs + 1_000, 'a trial ends');
  ground.separate(a, b, false);
}

/** Nobody may be FAILED who runs and is heard by most. */
export function accuse(failed: readonly Judgement[], { violate }: Pick<TrialGround, 'violate'>): void {
  for (const { by, node, reason } of failed)
    violate('no-false-failure', `${node} runs, and is FAILED for ${by}: ${reason}`);
}
