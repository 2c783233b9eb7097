/** What each replica of a key holds, as an operator may see it from outside: `kindred inspect`. */

import { Version } from '../../src/gen/kindred/v1/types.ts';
import type { ClockEntries, ReplicaState } from '../checkers/history.ts';
import type { KeyName } from '../simulation/plan/seed-plan.ts';
import type { RealNode } from '../support/real-cluster.ts';
import { seenVersion } from '../workload/history-recorder.ts';

const timeoutMs = 5_000;

/** Asks one node, which asks all. Homes come in the order of preference. Throws when a home did not answer. */
export async function storedReplicas(through: RealNode, name: KeyName): Promise<readonly ReplicaState[]> {
  const key = { bucket: name.bucket, key: Buffer.from(name.key, 'utf8') };
  const { replicas } = await through.diagnostics.inspectKey(
    { key, includeData: true },
    { signal: AbortSignal.timeout(timeoutMs) },
  );
  return replicas
    .filter(({ home }) => home)
    .map(({ nodeId, versions, contextText, damaged, error }): ReplicaState => {
      if (error !== undefined) throw new Error(`${nodeId} does not say what it holds: ${error.message}`);
      const bytes = versions.map((version) => Buffer.from(Version.encode(version).finish()));
      // Not the bytes on the disk, which no API shows, but all that they say.
      const record = Buffer.concat([Buffer.from(contextText), ...bytes]).toString('hex');
      return {
        node: nodeId,
        record: damaged ? 'damaged' : contextText === '' ? undefined : record,
        versions: versions.map(seenVersion),
        clock: clockOf(contextText),
      };
    });
}

/** Each entry as the API shows it to people: the replica in hexadecimal, the epoch, the counter. */
function clockOf(text: string): ClockEntries {
  return [...text.matchAll(/([0-9a-f]+):(\d+):(\d+)/g)].map(([, replica = '', epoch, counter]) => [
    Number.parseInt(replica, 16),
    Number(epoch),
    Number(counter),
  ]);
}
