/** A `Coordination` over a Map: one replica, core's own rules, and a place to make it slow or fail. */

import type {
  Coordination,
  ReadOperation,
  ReadReport,
  ReadResult,
  ReplicaView,
  WriteOperation,
  WriteOutcomeResult,
  WriteResult,
} from '../../src/coordinator/operation.ts';
import { refusedWrite } from '../../src/coordinator/refusal.ts';
import { mapKeyOf } from '../../src/core/bytes.ts';
import { clockReaches, contextOf } from '../../src/core/causality/context-token.ts';
import { decideWrite } from '../../src/core/causality/coordinated-write.ts';
import { type VersionedRecord, versionOfRequest, versionsBeside } from '../../src/core/causality/record.ts';
import { OperationError } from '../../src/core/coordinator/failure.ts';
import { nodeId, replicaId } from '../../src/core/identity.ts';

const self = nodeId('n1');

/** What a test may do before an operation is carried out: wait, or throw. */
export type Before = (
  operation: ReadOperation | WriteOperation,
  kind: 'read' | 'write',
) => Promise<void> | void;

export class MemoryCoordination implements Coordination {
  readonly records: Map<string, VersionedRecord> = new Map<string, VersionedRecord>();
  before: Before = () => {};
  /** Takes the place of `write` when set. */
  forward: ((operation: WriteOperation) => Promise<Uint8Array>) | undefined;
  views: readonly ReplicaView[] = [];
  reads = 0;
  writes = 0;
  #epoch = 0;
  #clock = 1_000_000;
  readonly #nowMicros: () => number;

  constructor(nowMicros: () => number) {
    this.#nowMicros = nowMicros;
  }

  async read(operation: ReadOperation): Promise<ReadResult> {
    this.reads++;
    await this.before(operation, 'read');
    const record = this.records.get(mapKeyOf(operation.recordKey));
    const { minContext } = operation;
    if (minContext !== undefined && !clockReaches(record?.clock ?? [], minContext)) {
      throw new OperationError({
        kind: 'context-not-reached',
        required: 1,
        alive: 3,
        answered: 3,
        failures: [],
      });
    }
    return { record, report: this.#readReport(operation) };
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    this.writes++;
    await this.before(operation, 'write');
    if (this.forward !== undefined) return { kind: 'forwarded', result: await this.forward(operation) };
    const key = mapKeyOf(operation.recordKey);
    const decision = decideWrite(this.records.get(key), operation.intent, {
      bucket: operation.bucket,
      own: { replica: replicaId(7), epochFloor: 0, nextEpoch: () => ++this.#epoch },
      nowMicros: this.#nowMicros(),
      tick: (after) => {
        this.#clock = Math.max(this.#clock, after, this.#nowMicros()) + 1;
        return this.#clock;
      },
    });
    if (decision.kind === 'refused') {
      throw new OperationError(refusedWrite(decision.why, this.records.get(key), operation.bucket));
    }
    this.records.set(key, decision.record);
    return {
      kind: 'written',
      dot: decision.dot,
      context: contextOf(decision.record),
      versionsHeld: versionsBeside(decision.record, decision.dot),
      report: {
        achieved: operation.strength,
        acked: 3,
        hinted: 0,
        synced: 3,
        replayed: decision.kind === 'replayed',
        coordinator: self,
        layoutVersion: 1,
      },
    };
  }

  async inspect(): Promise<readonly ReplicaView[]> {
    return this.views;
  }

  async findWrite(operation: ReadOperation, requestId: Uint8Array): Promise<WriteOutcomeResult> {
    await this.before(operation, 'read');
    const record = this.records.get(mapKeyOf(operation.recordKey));
    const version = record === undefined ? undefined : versionOfRequest(record, requestId);
    return version === undefined ? { kind: 'not-seen' } : { kind: 'applied', dot: version.dot };
  }

  #readReport(operation: ReadOperation): ReadReport {
    return {
      achieved: operation.strength,
      asked: 2,
      answered: 2,
      agreed: 2,
      repairStarted: false,
      coordinator: self,
      layoutVersion: 1,
    };
  }
}
