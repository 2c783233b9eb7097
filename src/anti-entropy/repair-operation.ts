/** A repair that an operator asks for: one comparison with every peer, for every replication, now; or only a look at it. */

import type { Throttle } from '../core/background/throttle.ts';
import { TokenBucket } from '../core/background/token-bucket.ts';
import type { Env } from '../env/env.ts';
import type { AntiEntropy } from './anti-entropy.ts';
import { type ComparisonCounts, noCounts } from './comparison-run.ts';
import type { OperationRun } from './operations.ts';

export interface RepairRequest {
  /** `undefined`: all. */
  readonly bucket: string | undefined;
  /** The replication of that bucket: others need not be compared. `undefined`: all. */
  readonly replication: number | undefined;
  readonly dryRun: boolean;
  /** `undefined`: as fast as the node's own comparisons. */
  readonly bytesPerSecondMax: number | undefined;
}

export interface RepairDependencies {
  readonly env: Env;
  readonly antiEntropy: Pick<AntiEntropy, 'pairs' | 'compare'>;
  /** That of the node's own comparisons. */
  readonly throttle: Throttle;
}

/** What a repair has done, by the names that `LongRunning.counters` promises. */
interface RepairCounters extends Record<string, number> {
  partitions_compared: number;
  keys_differing: number;
  keys_repaired: number;
  keys_left: number;
  bytes_exchanged: number;
  peers_skipped: number;
}

/** How often somebody who watches hears of a comparison that takes long. */
const reportMs = 200;
/** Trees of a node that has just started are complete soon. */
const readyWaitMs = 30_000;
const readyPauseMs = 200;
/** A repair that waits for its rate notices within this that it was cancelled, or that the node stops. */
const cancelMs = 200;

/** Carries a repair out. Rejects with EngineError when this node's disk fails. */
export async function runRepair(
  { env, antiEntropy, throttle }: RepairDependencies,
  request: RepairRequest,
  run: OperationRun,
): Promise<void> {
  const { bucket, replication, dryRun, bytesPerSecondMax } = request;
  const pairs = antiEntropy
    .pairs()
    .filter((pair) => replication === undefined || pair.replication === replication);
  const partitions = Math.max(
    1,
    pairs.reduce((sum, pair) => sum + pair.partitions, 0),
  );
  const slowed =
    bytesPerSecondMax === undefined ? throttle : slower(throttle, env, bytesPerSecondMax, run.isCancelled);
  const skipped = new Set<string>();
  const done: RepairCounters = {
    partitions_compared: 0,
    keys_differing: 0,
    keys_repaired: 0,
    keys_left: 0,
    bytes_exchanged: 0,
    peers_skipped: 0,
  };
  let before = 0;
  for (const pair of pairs) {
    if (run.isCancelled()) return;
    const counts = noCounts();
    const report = (): void => {
      const progress = (before + counts.progress * pair.partitions) / partitions;
      const detail = `${dryRun ? 'comparing' : 'repairing'} with ${pair.peer}, ${pair.partitions} partitions of ${pair.replication} replicas`;
      run.report(progress, detail, sum(done, counts));
    };
    report();
    const timer = env.timers.every(reportMs, report);
    try {
      const wanted = {
        peer: pair.peer,
        replication: pair.replication,
        bucket,
        dryRun,
        isStopped: run.isCancelled,
        throttle: slowed,
      };
      const deadlineMs = env.clock.monotonicMs() + readyWaitMs;
      let outcome = await antiEntropy.compare(wanted, counts);
      while (outcome.kind === 'not-ready' && env.clock.monotonicMs() < deadlineMs && !run.isCancelled()) {
        await new Promise<void>((resolve) => {
          env.timers.after(readyPauseMs, resolve);
        });
        outcome = await antiEntropy.compare(wanted, counts);
      }
      if (outcome.kind === 'failed' || outcome.kind === 'not-ready') skipped.add(pair.peer);
    } finally {
      timer.cancel();
    }
    Object.assign(done, sum(done, counts));
    done.peers_skipped = skipped.size;
    before += pair.partitions;
  }
  const skippedText = skipped.size === 0 ? '' : `; not compared with ${[...skipped].join(', ')}`;
  const keys = dryRun ? `${done.keys_differing} keys differ` : `${done.keys_repaired} keys repaired`;
  run.report(1, `${keys}${skippedText}`, done);
}

function sum(done: RepairCounters, counts: ComparisonCounts): RepairCounters {
  return {
    ...done,
    partitions_compared: done.partitions_compared + counts.partitionsCompared,
    keys_differing: done.keys_differing + counts.keysDiffering,
    keys_repaired: done.keys_repaired + counts.keysRepaired,
    keys_left: done.keys_left + counts.keysLeft,
    bytes_exchanged: done.bytes_exchanged + counts.bytesExchanged,
  };
}

/** The node's throttle, and besides it a rate that the operator wants to keep to. Whoever is cancelled waits no longer. */
function slower(throttle: Throttle, env: Env, bytesPerSecond: number, isCancelled: () => boolean): Throttle {
  const bucket = new TokenBucket({ ratePerSecond: bytesPerSecond }, env.clock.monotonicMs());
  return {
    async take(keys, bytes) {
      await throttle.take(keys, bytes);
      bucket.charge(bytes, env.clock.monotonicMs());
      for (;;) {
        const waitMs = bucket.waitMs(env.clock.monotonicMs());
        if (waitMs === 0 || isCancelled()) return;
        await new Promise<void>((resolve) => {
          env.timers.after(Math.min(waitMs, cancelMs), resolve);
        });
      }
    },
  };
}
