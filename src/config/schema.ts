/**
 * The form of the configuration, knob by knob, as a file writes it (snake_case). Only what one field can say of itself is
 * checked here; relations between fields are in `parse-config.ts`. What each knob is for stands in `config.ts`.
 */

import * as z from 'zod';

/** One leaf of the configuration: what may be set, and how. */
export interface Knob {
  /** `timeouts.request_ms`; fields of list items as `members[].zone`. */
  readonly path: string;
  /** `text` is taken as it stands from flags and the environment; `data` is read as YAML. */
  readonly reads: 'text' | 'data';
  /** As JSON; `undefined` when it is required or follows from others. */
  readonly defaultJson: string | undefined;
}

/** The checked file: defaults applied, names still in snake_case. */
export interface RawConfig {
  readonly cluster: {
    readonly id: string;
    readonly replication?: number | undefined;
    readonly partitions: number;
  };
  readonly node?: string | undefined;
  readonly members: readonly RawMember[];
  readonly buckets: readonly RawBucket[];
  readonly listen: { readonly host?: string | undefined; readonly http2: 'own' | 'node' };
  readonly storage: {
    readonly engine: 'lsm' | 'btree' | 'memory';
    readonly path?: string | undefined;
    readonly integrity_check: 'full' | 'quick';
    readonly record_cache_bytes: number;
  };
  readonly timeouts: {
    readonly request_ms: number;
    readonly request_ms_max: number;
    readonly deadline_margin_ms: number;
    readonly drain_ms: number;
  };
  readonly limits: {
    readonly key_bytes_max: number;
    readonly metadata_bytes_max: number;
    readonly record_bytes_max: number;
    readonly batch_items_max: number;
    readonly batch_bytes_max: number;
    readonly message_bytes_max: number;
    readonly header_bytes_max: number;
    readonly streams_per_connection_max: number;
    readonly connections_max: number;
    readonly connection_idle_ms: number;
    readonly connection_age_ms: number;
    readonly requests_in_flight_max: number;
    readonly queue_ms_max: number;
    readonly bytes_in_flight_max: number;
    readonly pipeline_operations_max: number;
  };
  readonly peers: {
    readonly queue_bytes_max: number;
    readonly frame_bytes_max: number;
    readonly reconnect_ms: number;
    readonly reconnect_ms_max: number;
  };
  readonly heartbeat: {
    readonly interval_ms: number;
  };
  readonly failure_detector: {
    readonly suspect_phi: number;
    readonly failed_phi: number;
    readonly acceptable_pause_ms: number;
    readonly deviation_ms_min: number;
    readonly samples_max: number;
    readonly probe_timeout_ms: number;
    readonly suspicion_ms: number;
    readonly watched_max: number;
  };
  readonly gossip: {
    readonly interval_ms: number;
    readonly message_bytes_max: number;
    readonly seeds: readonly string[];
  };
  readonly hints: {
    readonly bytes_max: number;
    readonly age_ms_max: number;
    readonly replay_bytes_per_second: number;
  };
  readonly reads: {
    readonly hedge_factor: number;
    readonly hedge_ms_min: number;
    readonly repair_chance: number;
  };
  readonly background: {
    readonly bytes_per_second: number;
    readonly keys_per_second: number;
    readonly share_min: number;
  };
  readonly anti_entropy: {
    readonly enabled: boolean;
    readonly interval_ms: number;
    readonly rebuild_interval_ms: number;
  };
  readonly tombstones: {
    readonly grace_ms: number;
  };
  readonly clock: { readonly ahead_ms_max: number };
  readonly log: {
    readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
    readonly format?: 'pretty' | 'json' | undefined;
  };
}

export interface RawMember {
  readonly id: string;
  readonly host: string;
  readonly client_port: number;
  readonly peer_port: number;
  readonly http_port: number;
  readonly zone?: string | undefined;
  readonly weight: number;
}

export interface RawBucket {
  readonly name: string;
  readonly replication?: number | undefined;
  readonly read_level: ReadLevel;
  readonly write_level: ReadLevel | 'any';
  readonly durability: 'buffered' | 'sync-one' | 'sync-quorum';
  readonly handoff: 'strict' | 'sloppy';
  readonly conflict_policy: 'siblings' | 'last-write-wins';
  readonly blind_write: 'overwrite' | 'add-sibling' | 'reject';
  readonly siblings_warn: number;
  readonly siblings_max: number;
  readonly ttl_ms?: number | undefined;
  readonly value_bytes_max: number;
}

type ReadLevel = (typeof READ_LEVELS)[number];

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR_MS = 3_600_000;

const READ_LEVELS = [
  'one',
  'two',
  'three',
  'quorum',
  'all',
  'local-one',
  'local-quorum',
  'each-quorum',
] as const;

const integer = (least: number, most: number) => z.int().min(least).max(most);
const port = () => integer(1, 65_535);

/** Ids go into file names, metrics and tokens: nothing that needs quoting anywhere. */
const id = () =>
  z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
      'must be 1 to 63 of a-z, 0-9 and -, neither first nor last -',
    );
const host = () =>
  z.string().regex(/^[A-Za-z0-9_.:-]{1,253}$/, 'must be a host name or an address, without port');

const member = z.strictObject({
  id: id(),
  host: host(),
  client_port: port().default(7400),
  peer_port: port().default(7500),
  http_port: port().default(7600),
  zone: z
    .string()
    .regex(/^[a-zA-Z0-9_.-]{1,63}$/, 'must be 1 to 63 of a-z, A-Z, 0-9, _, . and -')
    .optional(),
  weight: z.number().min(0.1).max(10).default(1),
});

const bucket = z.strictObject({
  name: z.string().regex(/^[a-z0-9_.-]{1,64}$/, 'must be 1 to 64 of a-z, 0-9, _, . and -'),
  replication: integer(1, 15).optional(),
  read_level: z.enum(READ_LEVELS).default('quorum'),
  write_level: z.enum(['any', ...READ_LEVELS]).default('quorum'),
  durability: z.enum(['buffered', 'sync-one', 'sync-quorum']).default('sync-quorum'),
  handoff: z.enum(['strict', 'sloppy']).default('strict'),
  conflict_policy: z.enum(['siblings', 'last-write-wins']).default('siblings'),
  blind_write: z.enum(['overwrite', 'add-sibling', 'reject']).default('overwrite'),
  siblings_warn: integer(2, 1000).default(25),
  siblings_max: integer(2, 1000).default(100),
  ttl_ms: integer(1, 10 * 365 * 24 * HOUR_MS).optional(),
  value_bytes_max: integer(1, MIB).default(MIB),
});

const shape = z.strictObject({
  cluster: z
    .strictObject({
      id: id().default('kindred'),
      replication: integer(1, 15).optional(),
      partitions: integer(8, 65_536)
        .refine((count) => (count & (count - 1)) === 0, 'must be a power of two')
        .default(4096),
    })
    .prefault({}),
  node: id().optional(),
  members: z.array(member).max(1000).default([]),
  buckets: z.array(bucket).max(1000).default([]),
  listen: z
    .strictObject({ host: host().optional(), http2: z.enum(['own', 'node']).default('own') })
    .prefault({}),
  storage: z
    .strictObject({
      engine: z.enum(['lsm', 'btree', 'memory']).default('lsm'),
      path: z.string().min(1).optional(),
      integrity_check: z.enum(['full', 'quick']).default('full'),
      record_cache_bytes: integer(0, 64 * 1024 * MIB).default(64 * MIB),
    })
    .prefault({}),
  timeouts: z
    .strictObject({
      request_ms: integer(10, HOUR_MS).default(5000),
      request_ms_max: integer(10, HOUR_MS).default(10_000),
      deadline_margin_ms: integer(0, 60_000).default(50),
      drain_ms: integer(0, HOUR_MS).default(10_000),
    })
    .prefault({}),
  limits: z
    .strictObject({
      key_bytes_max: integer(1, 1024).default(1024),
      metadata_bytes_max: integer(0, 64 * KIB).default(4 * KIB),
      record_bytes_max: integer(KIB, 64 * MIB).default(8 * MIB),
      batch_items_max: integer(1, 100_000).default(1000),
      batch_bytes_max: integer(KIB, 64 * MIB).default(4 * MIB),
      message_bytes_max: integer(64 * KIB, 128 * MIB).default(5 * MIB),
      header_bytes_max: integer(KIB, 64 * KIB).default(8 * KIB),
      streams_per_connection_max: integer(1, 100_000).default(256),
      connections_max: integer(1, 100_000).default(1000),
      connection_idle_ms: integer(1000, 24 * HOUR_MS).default(300_000),
      connection_age_ms: integer(1000, 24 * HOUR_MS).default(3_600_000),
      requests_in_flight_max: integer(1, 1_000_000).default(4096),
      queue_ms_max: integer(1, 60_000).default(100),
      bytes_in_flight_max: integer(MIB, 64 * KIB * MIB).default(256 * MIB),
      pipeline_operations_max: integer(1, 100_000).default(1024),
    })
    .prefault({}),
  peers: z
    .strictObject({
      queue_bytes_max: integer(MIB, 4096 * MIB).default(64 * MIB),
      frame_bytes_max: integer(MIB, 256 * MIB).default(40 * MIB),
      reconnect_ms: integer(1, 60_000).default(100),
      reconnect_ms_max: integer(1, HOUR_MS).default(5000),
    })
    .prefault({}),
  heartbeat: z.strictObject({ interval_ms: integer(10, 60_000).default(500) }).prefault({}),
  failure_detector: z
    .strictObject({
      suspect_phi: z.number().min(1).max(100).default(5),
      failed_phi: z.number().min(1).max(100).default(8),
      acceptable_pause_ms: integer(10, HOUR_MS).default(2000),
      deviation_ms_min: integer(1, 60_000).default(100),
      samples_max: integer(10, 100_000).default(1000),
      probe_timeout_ms: integer(10, 60_000).default(500),
      suspicion_ms: integer(10, HOUR_MS).default(5000),
      watched_max: integer(4, 64).default(32),
    })
    .prefault({}),
  gossip: z
    .strictObject({
      interval_ms: integer(10, HOUR_MS).default(1000),
      message_bytes_max: integer(16 * KIB, MIB).default(64 * KIB),
      seeds: z.array(id()).max(1000).default([]),
    })
    .prefault({}),
  hints: z
    .strictObject({
      bytes_max: integer(0, 1024 * KIB * MIB).default(KIB * MIB),
      age_ms_max: integer(1_000, 30 * 24 * HOUR_MS).default(3 * HOUR_MS),
      replay_bytes_per_second: integer(1_024, 1024 * MIB).default(16 * MIB),
    })
    .prefault({}),
  reads: z
    .strictObject({
      hedge_factor: z.number().min(0).max(100).default(3),
      hedge_ms_min: integer(0, 60_000).default(5),
      repair_chance: z.number().min(0).max(1).default(0.01),
    })
    .prefault({}),
  background: z
    .strictObject({
      bytes_per_second: integer(KIB, 1024 * KIB * MIB).default(32 * MIB),
      keys_per_second: integer(1, 100_000_000).default(10_000),
      share_min: z.number().min(0.001).max(1).default(0.05),
    })
    .prefault({}),
  anti_entropy: z
    .strictObject({
      enabled: z.boolean().default(true),
      interval_ms: integer(10, 24 * HOUR_MS).default(10_000),
      rebuild_interval_ms: integer(1000, 400 * 24 * HOUR_MS).default(7 * 24 * HOUR_MS),
    })
    .prefault({}),
  tombstones: z
    .strictObject({
      grace_ms: integer(1_000, 400 * 24 * HOUR_MS).default(24 * HOUR_MS),
    })
    .prefault({}),
  clock: z.strictObject({ ahead_ms_max: integer(1, HOUR_MS).default(10_000) }).prefault({}),
  log: z
    .strictObject({
      level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
      format: z.enum(['pretty', 'json']).optional(),
    })
    .prefault({}),
});

/** One thing that the form refuses. */
export interface ShapeProblem {
  readonly path: readonly (string | number)[];
  /** What was found against what may stand there, without the path. */
  readonly message: string;
}

/** Checks the form of `input` and applies the defaults of single fields. */
export function checkShape(
  input: unknown,
):
  | { readonly kind: 'valid'; readonly raw: RawConfig }
  | { readonly kind: 'invalid'; readonly problems: readonly ShapeProblem[] } {
  const result = shape.safeParse(input, { reportInput: true });
  if (result.success) return { kind: 'valid', raw: result.data };
  return { kind: 'invalid', problems: result.error.issues.flatMap(describe) };
}

/** All leaves in the order of the file. Lists (`members`, `buckets`) appear as themselves and with the fields of an item. */
export function knobs(): Knob[] {
  return [...leaves(shape, '')];
}

function describe(issue: z.core.$ZodIssue): ShapeProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(path);
    return issue.keys.map((key) => {
      const near = nearest(key, known);
      const hint = near === undefined ? `known here: ${known.join(', ')}` : `did you mean ${near}?`;
      return { path: [...path, key], message: `no such field; ${hint}` };
    });
  }
  const found = issue.input === undefined ? 'it is missing' : `found ${JSON.stringify(issue.input)}`;
  const wanted = issue.message.replace(/^Invalid (input|option): /, '').replace(/^Too (big|small): /, '');
  return [{ path, message: `${wanted}; ${found}` }];
}

function fieldsAt(path: readonly (string | number)[]): string[] {
  let at: z.core.$ZodType = unwrap(shape);
  for (const part of path) {
    if (at instanceof z.ZodObject) at = unwrap(at.shape[part] as z.core.$ZodType);
    else if (at instanceof z.ZodArray) at = unwrap(at.element);
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrap(type: z.core.$ZodType): z.core.$ZodType {
  let at = type;
  while (at instanceof z.ZodDefault || at instanceof z.ZodPrefault || at instanceof z.ZodOptional) {
    at = at.def.innerType;
  }
  return at;
}

function* leaves(type: z.core.$ZodType, path: string): Generator<Knob> {
  const inner = unwrap(type);
  if (inner instanceof z.ZodObject) {
    for (const [name, field] of Object.entries(inner.shape)) {
      yield* leaves(field as z.core.$ZodType, path === '' ? name : `${path}.${name}`);
    }
    return;
  }
  yield {
    path,
    reads: inner instanceof z.ZodString || inner instanceof z.ZodEnum ? 'text' : 'data',
    defaultJson: type instanceof z.ZodDefault ? JSON.stringify(type.def.defaultValue) : undefined,
  };
  // Items that are texts or numbers have nothing of their own to set.
  if (inner instanceof z.ZodArray && unwrap(inner.element as z.core.$ZodType) instanceof z.ZodObject)
    yield* leaves(inner.element, `${path}[]`);
}

/** The candidate at most two edits away, if there is one. */
function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
