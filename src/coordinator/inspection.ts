/** Questions put to every replica of a key: what each holds, and where a write with a given request id is known. */

import { crc32 } from 'node:zlib';
import { MalformedError } from '../core/binary.ts';
import type { Dot } from '../core/causality/dot.ts';
import { decodeRecord } from '../core/causality/record-codec.ts';
import type { ReplicaFailure } from '../core/coordinator/failure.ts';
import type { ReplicaView } from './operation.ts';
import type { FindAnswer, ReadAnswer, ReplicaClient } from './replica-client.ts';

/** Every replica's own view of the key, in the order given. A replica that cannot be asked is part of the answer. */
export function inspectKey(
  clients: readonly ReplicaClient[],
  recordKey: Uint8Array,
  timeoutMs: number,
): Promise<readonly ReplicaView[]> {
  const views = clients.map(
    (client) =>
      new Promise<ReplicaView>((resolve) =>
        client.read(recordKey, false, timeoutMs, (answer) =>
          resolve({ node: client.node, answer: viewOf(answer) }),
        ),
      ),
  );
  return Promise.all(views);
}

function viewOf(answer: ReadAnswer): ReplicaView['answer'] {
  switch (answer.kind) {
    case 'record':
      if (answer.bytes === undefined) return { kind: 'absent' };
      try {
        return { kind: 'found', record: decodeRecord(answer.bytes, crc32), bytes: answer.bytes.length };
      } catch (error) {
        if (error instanceof MalformedError) return { kind: 'damaged' };
        throw error;
      }
    case 'digest':
      return { kind: 'unreachable', why: 'answered a digest to a question for the record' };
    case 'failed':
      if (answer.reason === 'record-damaged') return { kind: 'damaged' };
      return { kind: 'unreachable', why: answer.reason };
  }
}

export type FoundWrite =
  | { readonly kind: 'applied'; readonly dot: Dot }
  | { readonly kind: 'not-seen' }
  | { readonly kind: 'unmet'; readonly answered: number; readonly failures: readonly ReplicaFailure[] };

/**
 * Asks all; one that knows the write is enough, and is waited for no longer. "Not seen" waits for everybody, because a write
 * of unknown outcome may have reached one replica only; then `required` that do not know it are an answer too.
 */
export function findWrite(
  clients: readonly ReplicaClient[],
  recordKey: Uint8Array,
  requestId: Uint8Array,
  required: number,
  timeoutMs: number,
): Promise<FoundWrite> {
  return new Promise((resolve) => {
    const failures: ReplicaFailure[] = [];
    let answered = 0;
    for (const client of clients) {
      client.find(recordKey, requestId, timeoutMs, (answer: FindAnswer) => {
        if (answer.kind === 'found') resolve({ kind: 'applied', dot: answer.dot });
        else if (answer.kind === 'unseen') answered++;
        else failures.push({ node: client.node, reason: answer.reason });
        if (answered + failures.length < clients.length) return;
        resolve(answered >= required ? { kind: 'not-seen' } : { kind: 'unmet', answered, failures });
      });
    }
  });
}
