/** The buckets that the clients use, as the configuration of a cluster has to name them. */

import type { RawBucket } from '../../src/config/schema.ts';

/** Values in the bucket `short-lived` live so long when their writer does not say. */
export const shortLivedMs: number = 4_000;

/** Goes into `buckets` of a configuration file. */
export const workloadBuckets: readonly (Partial<RawBucket> & Pick<RawBucket, 'name'>)[] = [
  { name: 'default' },
  { name: 'lww', conflict_policy: 'last-write-wins' },
  { name: 'short-lived', ttl_ms: shortLivedMs },
];

/** What becomes of versions that raced, in one of these buckets. */
export function conflictPolicyOf(bucket: string): 'siblings' | 'last-write-wins' {
  return bucket === 'lww' ? 'last-write-wins' : 'siblings';
}

/** The lifetime of values whose writer names none. `undefined`: for ever. */
export function defaultTtlMs(bucket: string): number | undefined {
  return bucket === 'short-lived' ? shortLivedMs : undefined;
}
