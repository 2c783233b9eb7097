/** What a client is about to do, and the messages that say so. A retry sends the very same message. */

import { assert } from '../../src/core/assert.ts';
import type { Duration } from '../../src/gen/google/protobuf/duration.ts';
import type {
  DeleteRequest,
  GetRequest,
  Mutation,
  Operation,
  PutRequest,
  TouchRequest,
} from '../../src/gen/kindred/v1/kv.ts';
import {
  ConflictMode,
  Durability,
  Handoff,
  type Key,
  type ReadOptions,
  type WriteOptions,
} from '../../src/gen/kindred/v1/types.ts';
import {
  blindWriteMessage,
  durabilityMessage,
  durationOfMs,
  levelMessage,
} from '../../src/rpc/conversion.ts';
import type { HistoryLevel, WriteAttempt } from '../checkers/history.ts';
import type { HeldContext } from './history-recorder.ts';
import type { KnownKey } from './known-key.ts';
import { valueBytes } from './value-text.ts';

/** How a request says its level: by name, as a number of replicas, or not at all, where the bucket's default is meant. */
export type LevelForm = 'named' | 'count' | 'default';

/** What a write supersedes. */
export type IntendedCausality =
  | { readonly kind: 'context'; readonly context: HeldContext }
  /** A token that must be refused: of another key, or damaged. Its bearer has seen nothing of this key. */
  | { readonly kind: 'bad-context'; readonly token: Uint8Array }
  /** Touch: whatever is there. */
  | { readonly kind: 'found' }
  | {
      readonly kind: 'blind';
      readonly mode: 'overwrite' | 'add-sibling' | 'reject';
      readonly named: boolean;
    };

/** Until when a value lives. */
export type IntendedExpiry =
  | { readonly kind: 'ttl'; readonly ms: number }
  | { readonly kind: 'default'; readonly ms: number | undefined }
  /** Touch only. */
  | { readonly kind: 'never' };

export interface IntendedWrite {
  readonly known: KnownKey;
  readonly action: WriteAttempt['action'];
  /** Of a put. */
  readonly value: string | undefined;
  /** The value is filled up to this length. */
  readonly length: number;
  readonly causality: IntendedCausality;
  readonly expiry: IntendedExpiry;
  readonly level: HistoryLevel;
  readonly levelForm: LevelForm;
  /** Nodes that stand in for replicas that are away may count. */
  readonly sloppy: boolean;
  readonly durability: WriteAttempt['durability'];
  /** False: the request leaves it to the bucket, whose default it is. */
  readonly durabilityNamed: boolean;
  readonly requestId: Uint8Array | undefined;
  readonly timeoutMs: number;
  /** The first attempt of this write, once there is one, where it has a request id. */
  firstAttempt: number | undefined;
}

export interface IntendedRead {
  readonly known: KnownKey;
  readonly level: HistoryLevel;
  readonly levelForm: LevelForm;
  readonly minContext: HeldContext | undefined;
  /** In place of `minContext`: one that must be refused. */
  readonly badContext: Uint8Array | undefined;
  /** Fails where there are siblings. */
  readonly failsOnConflict: boolean;
  readonly final: boolean;
  readonly timeoutMs: number;
}

const noBytes = new Uint8Array(0);

type Strength = WriteOptions['strength'];

function strengthMessage(level: HistoryLevel, form: LevelForm): Strength {
  const count = replicaCounts[level];
  if (form === 'default') return undefined;
  if (form === 'count' && count !== undefined) return { $case: 'replicas', value: count };
  return { $case: 'consistency', value: levelMessage(level) };
}

/** Levels that are a number of replicas, whatever N is. */
const replicaCounts: Readonly<Partial<Record<HistoryLevel, number>>> = { one: 1, two: 2, three: 3 };

function keyMessage({ name, bytes }: KnownKey): Key {
  // The default bucket has two names.
  return { bucket: name.bucket === 'default' ? '' : name.bucket, key: bytes };
}

/** The options of a write, also of a batch of them. */
export function writeOptionsMessage(
  write: Pick<
    IntendedWrite,
    'level' | 'levelForm' | 'sloppy' | 'durability' | 'durabilityNamed' | 'requestId'
  >,
): WriteOptions {
  return {
    strength: strengthMessage(write.level, write.levelForm),
    handoff: write.sloppy ? Handoff.HANDOFF_SLOPPY : Handoff.HANDOFF_UNSPECIFIED,
    durability: write.durabilityNamed
      ? durabilityMessage(write.durability)
      : Durability.DURABILITY_UNSPECIFIED,
    requestId: write.requestId ?? noBytes,
  };
}

/** The options of a read, also of a batch of them. */
export function readOptionsMessage(read: Omit<IntendedRead, 'known'>): ReadOptions {
  return {
    strength: strengthMessage(read.level, read.levelForm),
    minContext: read.minContext?.token ?? read.badContext ?? noBytes,
    onConflict: read.failsOnConflict
      ? ConflictMode.CONFLICT_MODE_FAIL
      : ConflictMode.CONFLICT_MODE_UNSPECIFIED,
    omitData: false,
    fallback: [],
  };
}

function causalityMessage(causality: IntendedCausality): PutRequest['causality'] {
  switch (causality.kind) {
    case 'context':
      return { $case: 'context', value: causality.context.token };
    case 'bad-context':
      return { $case: 'context', value: causality.token };
    case 'found':
      return undefined;
    case 'blind': {
      if (!causality.named) return undefined;
      const value = blindWriteMessage(causality.mode);
      return { $case: 'blind', value };
    }
  }
}

export function getMessage(read: IntendedRead): GetRequest {
  return { key: keyMessage(read.known), options: readOptionsMessage(read) };
}

export function keyOf(known: KnownKey): Key {
  return keyMessage(known);
}

export function putMessage(write: IntendedWrite): PutRequest {
  const { expiry } = write;
  return {
    key: keyMessage(write.known),
    value: { data: valueBytes(write.value ?? '', write.length), contentType: '', metadata: {} },
    causality: causalityMessage(write.causality),
    expiry: expiry.kind === 'ttl' ? { $case: 'ttl', value: durationOfMs(expiry.ms) } : undefined,
    options: writeOptionsMessage(write),
  };
}

export function deleteMessage(write: IntendedWrite): DeleteRequest {
  return {
    key: keyMessage(write.known),
    causality: causalityMessage(write.causality),
    options: writeOptionsMessage(write),
  };
}

export function touchMessage(write: IntendedWrite): TouchRequest {
  const { expiry, causality } = write;
  assert(expiry.kind !== 'default', 'a touch says when the key expires');
  return {
    key: keyMessage(write.known),
    expiry:
      expiry.kind === 'ttl'
        ? { $case: 'ttl', value: durationOfMs(expiry.ms) }
        : { $case: 'never', value: true },
    context:
      causality.kind === 'context'
        ? causality.context.token
        : causality.kind === 'bad-context'
          ? causality.token
          : noBytes,
    options: writeOptionsMessage(write),
  };
}

/** The write as one of a batch. `ownOptions`: it does not take those of the batch. */
export function mutationMessage(write: IntendedWrite, ownOptions: boolean): Mutation {
  if (write.action === 'delete') {
    const value = deleteMessage(write);
    return { op: { $case: 'delete', value: ownOptions ? value : { ...value, options: undefined } } };
  }
  const value = putMessage(write);
  return { op: { $case: 'put', value: ownOptions ? value : { ...value, options: undefined } } };
}

/** The operation as one of a pipeline. `ownTimeout`: it says how long it may take. */
export function operationMessage(
  id: number,
  intended: IntendedWrite | IntendedRead,
  ownTimeout: boolean,
): Operation {
  const timeout: Duration | undefined = ownTimeout ? durationOfMs(intended.timeoutMs) : undefined;
  if (!('action' in intended)) return { id, op: { $case: 'get', value: getMessage(intended) }, timeout };
  switch (intended.action) {
    case 'put':
      return { id, op: { $case: 'put', value: putMessage(intended) }, timeout };
    case 'delete':
      return { id, op: { $case: 'delete', value: deleteMessage(intended) }, timeout };
    case 'touch':
      return { id, op: { $case: 'touch', value: touchMessage(intended) }, timeout };
  }
}
