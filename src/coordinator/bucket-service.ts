/** BucketService: the buckets of the configuration, for clients to look at. */

import type { Bucket } from '../core/bucket.ts';
import { OperationError } from '../core/coordinator/failure.ts';
import {
  BucketServiceDefinition,
  ConflictPolicy,
  type GetBucketRequest,
  type ListBucketsRequest,
  type ListBucketsResponse,
  type Bucket as WireBucket,
} from '../gen/kindred/v1/bucket.ts';
import {
  blindWriteMessage,
  durabilityMessage,
  durationOfMs,
  handoffMessage,
  levelMessage,
} from '../rpc/conversion.ts';
import { bucketPageSizeMax, checkBucketName, grouped, invalid } from '../rpc/limits.ts';
import { type Service, service } from '../rpc/service.ts';

/** `buckets`: all of them, by name. */
export function bucketService(buckets: ReadonlyMap<string, Bucket>): Service {
  const names = [...buckets.keys()].sort();
  return service(BucketServiceDefinition, {
    async getBucket({ name: wanted }: GetBucketRequest) {
      const name = wanted === '' ? 'default' : wanted;
      const bucket = buckets.get(name);
      if (bucket !== undefined) return { bucket: bucketMessage(bucket) };
      checkBucketName(name, 'name');
      throw new OperationError({ kind: 'bucket-unknown', bucket: name });
    },
    async listBuckets({ pageSize, pageToken }: ListBucketsRequest): Promise<ListBucketsResponse> {
      if (pageSize > bucketPageSizeMax) {
        throw invalid('page_size', `is ${grouped(pageSize)}; the limit is ${grouped(bucketPageSizeMax)}`);
      }
      // The token is the last name of the page before: pages stay right when the configuration changes between them.
      if (pageToken !== '') checkBucketName(pageToken, 'page_token');
      const rest = pageToken === '' ? names : names.filter((name) => name > pageToken);
      const page = rest.slice(0, pageSize === 0 ? bucketPageSizeMax : pageSize);
      return {
        buckets: page.map((name) => bucketMessage(buckets.get(name) as Bucket)),
        nextPageToken: page.length < rest.length ? (page.at(-1) as string) : '',
      };
    },
  });
}

function bucketMessage(bucket: Bucket): WireBucket {
  return {
    name: bucket.name,
    replication: bucket.replication,
    defaultRead: levelMessage(bucket.readLevel),
    defaultWrite: levelMessage(bucket.writeLevel),
    defaultHandoff: handoffMessage(bucket.handoff),
    defaultDurability: durabilityMessage(bucket.durability),
    conflictPolicy:
      bucket.conflictPolicy === 'siblings'
        ? ConflictPolicy.CONFLICT_POLICY_SIBLINGS
        : ConflictPolicy.CONFLICT_POLICY_LAST_WRITE_WINS,
    defaultBlindWrite: blindWriteMessage(bucket.blindWrite),
    warnSiblings: bucket.siblingsWarn,
    maxSiblings: bucket.siblingsMax,
    defaultTtl: bucket.ttlMs === undefined ? undefined : durationOfMs(bucket.ttlMs),
    maxValueBytes: bucket.valueBytesMax,
  };
}
