/** Whether all replicas of many keys hold the same, as `kindred inspect` shows it. Looking repairs nothing. */

import { pause } from '../chaos/program.ts';
import { storedReplicas } from '../chaos/stored-replicas.ts';
import type { RealNode } from '../support/real-cluster.ts';

const atOnce = 16;
const againMs = 50;

/** How many of the keys the replicas differ on now. A key that cannot be inspected counts as different. */
export async function differingKeys(nodes: readonly RealNode[], keys: readonly Buffer[]): Promise<number> {
  let differing = 0;
  await each(keys, async (key, index) => {
    if (!(await isLevel(nodes, key, index))) differing++;
  });
  return differing;
}

/**
 * Waits until every key is the same on all its replicas, and returns how long that took. A key that was once seen so is not
 * looked at again: nobody may be writing. Throws after `withinMs`.
 */
export async function untilLevel(
  nodes: readonly RealNode[],
  keys: readonly Buffer[],
  withinMs: number,
): Promise<number> {
  const fromMs = performance.now();
  let left = 0;
  await each(keys, async (key, index) => {
    while (!(await isLevel(nodes, key, index))) {
      if (performance.now() - fromMs > withinMs) {
        left++;
        return;
      }
      await pause(againMs);
    }
  });
  if (left > 0) throw new Error(`${left} of ${keys.length} keys still differ after ${withinMs / 1000} s`);
  return performance.now() - fromMs;
}

async function isLevel(nodes: readonly RealNode[], key: Buffer, index: number): Promise<boolean> {
  const through = nodes[index % nodes.length] as RealNode;
  try {
    const replicas = await storedReplicas(through, { bucket: '', key: key.toString('utf8') });
    const first = replicas[0]?.record;
    return first !== undefined && first !== 'damaged' && replicas.every(({ record }) => record === first);
  } catch {
    return false;
  }
}

async function each(
  keys: readonly Buffer[],
  look: (key: Buffer, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < keys.length) {
      const index = next++;
      await look(keys[index] as Buffer, index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
