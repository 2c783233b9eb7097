/** What the bench needs to know of a system under test. */

import type { ServerProcess } from './server-process.ts';

/** Servers that run. */
export interface Cluster {
  /** `host:port` of each member, for clients. */
  readonly endpoints: readonly string[];
  /** In the order of `endpoints`. */
  readonly processes: readonly ServerProcess[];
}

/** Starts all, or stops those that were started and throws. */
export async function startAll(
  endpoints: readonly string[],
  processes: readonly ServerProcess[],
  ready: (index: number) => Promise<boolean>,
): Promise<Cluster> {
  const cluster: Cluster = { endpoints, processes };
  try {
    await Promise.all(processes.map((server, index) => server.untilReady(() => ready(index))));
    return cluster;
  } catch (error) {
    await stopCluster(cluster);
    throw error;
  }
}

/** Stops all servers at once. */
export async function stopCluster(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.processes.map((server) => server.stop()));
}
