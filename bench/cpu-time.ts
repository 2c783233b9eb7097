/** What the servers of a cluster use while they are measured: the steadiest figure on a machine that is shared. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import { epochMs, type Window } from './measurement.ts';

/** CPU time used by each server within the window, in microseconds a second. */
export async function cpuPerSecond(cluster: Cluster, window: Window): Promise<number[] | undefined> {
  await sleep(Math.max(0, window.fromMs - epochMs()));
  const before = take(cluster);
  await sleep(Math.max(0, window.untilMs - epochMs()));
  const after = take(cluster);
  const seconds = (after.atMs - before.atMs) / 1000;
  const used = after.micros.map((micros, index) => {
    const earlier = before.micros[index];
    return micros === undefined || earlier === undefined ? undefined : (micros - earlier) / seconds;
  });
  return used.every((each) => each !== undefined) ? used : undefined;
}

function take(cluster: Cluster): { readonly atMs: number; readonly micros: readonly (number | undefined)[] } {
  return { atMs: epochMs(), micros: cluster.processes.map((server) => server.cpuMicros()) };
}
