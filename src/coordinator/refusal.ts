/** What the coordinating replica's refusals mean to the client: which failure, and what to do about it. */

import type { Bucket } from '../core/bucket.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import type { Failure } from '../core/coordinator/failure.ts';
import type { EngineError } from '../storage/engine.ts';

/** Why a replica did not make the version that it was asked for. Nothing was stored. */
export type RefusedWrite =
  | 'key-exists'
  | 'too-many-siblings'
  | 'conflict'
  | 'request-id-reused'
  | 'context-not-reached'
  | 'record-too-large'
  | 'context-too-large';

export function refusedWrite(
  why: RefusedWrite,
  record: VersionedRecord | undefined,
  bucket: Pick<Bucket, 'siblingsMax'>,
): Failure {
  switch (why) {
    case 'key-exists':
      return { kind: why, record, problem: 'the key exists, and the write asked to be refused then' };
    case 'conflict':
      return { kind: why, record, problem: 'the key was written to since the context was read' };
    case 'too-many-siblings': {
      const siblings = record?.versions.length ?? 0;
      const problem = `the key has ${siblings} siblings and the bucket's limit is ${bucket.siblingsMax}: resolve them with one put that carries the context`;
      return { kind: why, record, problem };
    }
    case 'request-id-reused': {
      const problem = 'this request id was used for another value: take a new one for each logical write';
      return { kind: 'invalid', reason: why, field: 'options.request_id', problem };
    }
    case 'context-not-reached':
      return { kind: why, required: 1, alive: 1, answered: 1, failures: [] };
    case 'record-too-large': {
      const problem =
        'all siblings of the key together would exceed the record limit: resolve them with one put that carries the context';
      return { kind: 'invalid', reason: 'too-large', field: 'record', problem };
    }
    case 'context-too-large': {
      const problem = 'the causal history of the key would exceed 4 KiB';
      return { kind: 'invalid', reason: 'too-large', field: 'context', problem };
    }
  }
}

/**
 * This node's own disk failed. Once the write had begun its outcome is unknown: what reached the log may be there again
 * after a restart.
 */
export function failedStorage(error: EngineError, begun: boolean): Failure {
  return {
    kind: error.code === 'disk-full' ? 'disk-full' : 'storage-failed',
    outcome: begun ? 'unknown' : 'not-applied',
    problem: error.message,
  };
}

export function invalidLevel(problem: string): Failure {
  return { kind: 'invalid', reason: 'invalid-request', field: 'options.consistency', problem };
}
