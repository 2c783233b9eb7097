/**
 * What fields of a configuration must be to one another. Every problem names both sides and says what to change; the form
 * of each field alone is in `schema.ts`.
 */

import type { Config } from './config.ts';
import type { RawBucket, RawConfig } from './schema.ts';

/** Where a field is: names and indexes, as in `['members', 1, 'zone']`. */
export type Path = readonly (string | number)[];

/** A relation that does not hold: `paths` are the fields it is about, the one to name first in front. */
export interface Problem {
  readonly paths: readonly Path[];
  readonly message: string;
}

/** `members[1].zone`, as people write it. */
export function pathText(path: Path): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('');
}

/** Room for what surrounds a value or a record in a message. */
const ENVELOPE_BYTES = 64 * 1024;

/** Adds a problem for every relation between fields of `config` that does not hold. */
export function checkRelations(config: Config, raw: RawConfig, problems: Problem[]): void {
  const { timeouts, limits, peers, heartbeat } = raw;
  const failureDetector = raw.failure_detector;
  const members = config.members.length;
  if (config.cluster.replication > members) {
    problems.push({
      paths: [['cluster', 'replication'], ['members']],
      message: `is ${config.cluster.replication}, but members has only ${members}: add members or lower it`,
    });
  }
  duplicates(raw.members.map((member) => member.id)).forEach((index) => {
    problems.push({
      paths: [['members', index, 'id']],
      message: `${raw.members[index]?.id} is there twice: ids are names for ever, give each member its own`,
    });
  });
  checkAddresses(raw, problems);
  checkSeeds(config, problems);
  duplicates(raw.buckets.map((bucket) => bucket.name)).forEach((index) => {
    problems.push({
      paths: [['buckets', index, 'name']],
      message: `${raw.buckets[index]?.name} is there twice: merge the two`,
    });
  });
  raw.buckets.forEach((bucket, index) => {
    checkBucket(bucket, index, config.cluster.replication, problems);
  });

  const atLeast = (left: Path, leftValue: number, right: Path, rightValue: number, why: string): void => {
    if (leftValue >= rightValue) return;
    problems.push({
      paths: [left, right],
      message: `is ${leftValue}, but ${pathText(right)} asks for at least ${rightValue}: ${why}`,
    });
  };
  atLeast(
    ['timeouts', 'request_ms_max'],
    timeouts.request_ms_max,
    ['timeouts', 'request_ms'],
    timeouts.request_ms,
    'the default deadline must not exceed the longest one; raise the first or lower the second',
  );
  atLeast(
    ['timeouts', 'request_ms'],
    timeouts.request_ms,
    ['timeouts', 'deadline_margin_ms'],
    timeouts.deadline_margin_ms * 2 + 1,
    'the margin must be less than half of the deadline',
  );
  atLeast(
    ['tombstones', 'grace_ms'],
    raw.tombstones.grace_ms,
    ['timeouts', 'request_ms_max'],
    timeouts.request_ms_max + 10_000,
    'whatever was sent before must have arrived or died when a deletion is forgotten; raise the first or lower the second',
  );
  atLeast(
    ['tombstones', 'grace_ms'],
    raw.tombstones.grace_ms,
    ['hints', 'age_ms_max'],
    4 * raw.hints.age_ms_max,
    'hints must be gone long before a deletion that is newer is forgotten; raise the first or lower the second',
  );
  const valueBytesMax = Math.max(...config.buckets.map((bucket) => bucket.valueBytesMax));
  const valueBytesField = ['buckets', 'value_bytes_max'];
  atLeast(
    ['limits', 'record_bytes_max'],
    limits.record_bytes_max,
    valueBytesField,
    2 * valueBytesMax,
    'two racing writers of the largest value must fit; raise the first or lower the second in every bucket',
  );
  atLeast(
    ['limits', 'message_bytes_max'],
    limits.message_bytes_max,
    valueBytesField,
    valueBytesMax + ENVELOPE_BYTES,
    'a message must carry the largest value and 64 KiB around it; raise the first or lower the second',
  );
  atLeast(
    ['limits', 'message_bytes_max'],
    limits.message_bytes_max,
    ['limits', 'batch_bytes_max'],
    limits.batch_bytes_max + ENVELOPE_BYTES,
    'a message must carry the largest batch and 64 KiB around it; raise the first or lower the second',
  );
  atLeast(
    ['limits', 'bytes_in_flight_max'],
    limits.bytes_in_flight_max,
    ['limits', 'message_bytes_max'],
    limits.message_bytes_max,
    'one request of the largest size must be able to start; raise the first or lower the second',
  );
  atLeast(
    ['peers', 'frame_bytes_max'],
    peers.frame_bytes_max,
    ['limits', 'record_bytes_max'],
    (Math.min(config.cluster.replication, config.members.length) + 1) * limits.record_bytes_max +
      ENVELOPE_BYTES,
    'a frame must carry one record of the largest size for each of the N replicas and one more, because merges of racing writes are never refused; raise the first or lower the second',
  );
  atLeast(
    ['peers', 'queue_bytes_max'],
    peers.queue_bytes_max,
    ['peers', 'frame_bytes_max'],
    peers.frame_bytes_max,
    'one frame of the largest size must fit into the queue; raise the first or lower the second',
  );
  atLeast(
    ['peers', 'reconnect_ms_max'],
    peers.reconnect_ms_max,
    ['peers', 'reconnect_ms'],
    peers.reconnect_ms,
    'the longest pause must not be shorter than the first; raise the first or lower the second',
  );
  atLeast(
    ['failure_detector', 'failed_phi'],
    failureDetector.failed_phi,
    ['failure_detector', 'suspect_phi'],
    failureDetector.suspect_phi,
    'a node is suspected before it counts as failed; raise the first or lower the second',
  );
  atLeast(
    ['failure_detector', 'acceptable_pause_ms'],
    failureDetector.acceptable_pause_ms,
    ['heartbeat', 'interval_ms'],
    heartbeat.interval_ms,
    'one lost heartbeat must not make a suspect; raise the first or lower the second',
  );
  atLeast(
    ['failure_detector', 'suspicion_ms'],
    failureDetector.suspicion_ms,
    ['failure_detector', 'probe_timeout_ms'],
    failureDetector.probe_timeout_ms,
    'helpers must have had the time to answer once; raise the first or lower the second',
  );
}

/** Every seed is a member. */
function checkSeeds(config: Config, problems: Problem[]): void {
  const ids = new Set<string>(config.members.map(({ id }) => id));
  config.gossip.seeds.forEach((seed, index) => {
    if (ids.has(seed)) return;
    problems.push({
      paths: [['gossip', 'seeds', index], ['members']],
      message: `is ${seed}, but members has no such id: name members, or leave the list empty`,
    });
  });
}

function checkBucket(bucket: RawBucket, index: number, replication: number, problems: Problem[]): void {
  const at = (field: string): Path => ['buckets', index, field];
  const own = bucket.replication ?? replication;
  if (own > replication) {
    problems.push({
      paths: [at('replication'), ['cluster', 'replication']],
      message: `is ${own}, but cluster.replication is ${replication}: raise the second or lower the first`,
    });
  }
  for (const field of ['read_level', 'write_level'] as const) {
    const needed = bucket[field] === 'two' ? 2 : bucket[field] === 'three' ? 3 : 1;
    if (needed > own) {
      problems.push({
        paths: [at(field)],
        message: `is ${bucket[field]}, but the bucket has ${own} replicas: choose quorum or all, or raise its replication`,
      });
    }
  }
  if (bucket.siblings_max < bucket.siblings_warn) {
    problems.push({
      paths: [at('siblings_max'), at('siblings_warn')],
      message: `is ${bucket.siblings_max}, less than siblings_warn ${bucket.siblings_warn}: raise the first or lower the second`,
    });
  }
}

function checkAddresses(raw: RawConfig, problems: Problem[]): void {
  const taken = new Map<string, string>();
  raw.members.forEach((member, index) => {
    for (const field of ['client_port', 'peer_port', 'http_port'] as const) {
      const address = `${member.host}:${member[field]}`;
      const holder = taken.get(address);
      const here = `members[${index}].${field} (${member.id})`;
      if (holder === undefined) taken.set(address, here);
      else {
        problems.push({
          paths: [['members', index, field]],
          message: `${address} is also ${holder}: every port of a host can be used once, choose another`,
        });
      }
    }
  });
}

/** Indexes of items that occurred before. */
function duplicates(names: readonly string[]): number[] {
  return names.flatMap((name, index) => (names.indexOf(name) < index ? [index] : []));
}
