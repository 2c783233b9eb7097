/** `kindred buckets`: which buckets there are, and how they are set up. */

import type { Command } from 'commander';
import { type Bucket, conflictPolicyToJSON } from '../../gen/kindred/v1/bucket.ts';
import {
  blindWriteToJSON,
  consistencyLevelToJSON,
  durabilityToJSON,
  handoffToJSON,
} from '../../gen/kindred/v1/types.ts';
import { plainTable } from '../answer-text.ts';
import { bytesText } from '../bytes-text.ts';
import type { ClusterClient } from '../client.ts';
import { formatDurationMs } from '../duration-text.ts';
import { CLIENT_EXIT } from '../exit-code.ts';
import { addConnectionOptions, type ConnectionFlags, openClient } from '../request-options.ts';
import { type CommandContext, runClientCommand } from '../run-command.ts';

/** Pages are of 1,000, and a configuration has at most so many buckets; more would be a server that never ends. */
const PAGES_MAX = 10;

/** Adds the command to `program`. */
export function addBucketsCommand(program: Command, context: CommandContext): void {
  const { terminal } = context;
  addConnectionOptions(program.command('buckets').description('show all buckets and their settings')).action(
    async (flags: ConnectionFlags) => {
      await runClientCommand(
        context,
        flags,
        () => openClient(flags, terminal),
        async (client) => {
          const buckets = (await allBuckets(client)).map(bucketJson);
          terminal.out(flags.json === true ? `${JSON.stringify({ buckets })}\n` : bucketsText(buckets));
          return { exit: CLIENT_EXIT.ok };
        },
      );
    },
  );
}

async function allBuckets(client: ClusterClient): Promise<Bucket[]> {
  const buckets: Bucket[] = [];
  let pageToken = '';
  for (let page = 0; page < PAGES_MAX; page++) {
    const request = { pageSize: 0, pageToken };
    const answer = await client.read(({ bucket }, options) => bucket.listBuckets(request, options));
    buckets.push(...answer.buckets);
    pageToken = answer.nextPageToken;
    if (pageToken === '') break;
  }
  return buckets;
}

type BucketReport = ReturnType<typeof bucketJson>;

/** One bucket in JSON answers. */
function bucketJson(bucket: Bucket) {
  const { defaultTtl } = bucket;
  return {
    name: bucket.name,
    replication: bucket.replication,
    read: word(consistencyLevelToJSON(bucket.defaultRead), 'CONSISTENCY_LEVEL_'),
    write: word(consistencyLevelToJSON(bucket.defaultWrite), 'CONSISTENCY_LEVEL_'),
    durability: word(durabilityToJSON(bucket.defaultDurability), 'DURABILITY_'),
    handoff: word(handoffToJSON(bucket.defaultHandoff), 'HANDOFF_'),
    conflicts: word(conflictPolicyToJSON(bucket.conflictPolicy), 'CONFLICT_POLICY_'),
    blindWrites: word(blindWriteToJSON(bucket.defaultBlindWrite), 'BLIND_WRITE_'),
    ttlMs: defaultTtl === undefined ? null : defaultTtl.seconds * 1000 + defaultTtl.nanos / 1e6,
    warnSiblings: bucket.warnSiblings,
    maxSiblings: bucket.maxSiblings,
    maxValueBytes: bucket.maxValueBytes,
  };
}

/** `local-quorum`, as options of the command line say it. */
function word(constant: string, prefix: string): string {
  return constant.replace(prefix, '').replaceAll('_', '-').toLowerCase();
}

function bucketsText(buckets: readonly BucketReport[]): string {
  const head = [
    'bucket',
    'N',
    'read',
    'write',
    'durability',
    'hand-off',
    'conflicts',
    'blind',
    'expire',
    'value up to',
  ];
  const rows = buckets.map((bucket) => [
    bucket.name,
    String(bucket.replication),
    bucket.read,
    bucket.write,
    bucket.durability,
    bucket.handoff,
    bucket.conflicts,
    bucket.blindWrites,
    bucket.ttlMs === null ? 'never' : formatDurationMs(bucket.ttlMs),
    bytesText(bucket.maxValueBytes),
  ]);
  return plainTable(head, rows);
}
