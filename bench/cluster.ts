/** What the bench needs to know of a system under test. */

import type { Driver } from './driver.ts';
import type { LoadJob, LoadSamples } from './load-job.ts';
import type { ServerProcess } from './server-process.ts';

/** Servers that run. */
export interface Cluster {
  /** `host:port` of each member, for clients. */
  readonly endpoints: readonly string[];
  /** In the order of `endpoints`. */
  readonly processes: readonly ServerProcess[];
  /** Sends the load in place of our generator, when that does not speak the protocol. Stopped with the cluster. */
  readonly driver?: ClusterDriver;
}

/** A process that sends one load after the other. */
export interface ClusterDriver {
  /** Resolves when it is ready to send the load. */
  open(job: LoadJob): Promise<Driver<LoadSamples>>;
  stop(): Promise<void>;
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

/** Stops all servers at once, and what sends them load. */
export async function stopCluster(cluster: Cluster): Promise<void> {
  await Promise.all([cluster.driver?.stop(), ...cluster.processes.map((server) => server.stop())]);
}
