/** OperationService: starts repairs of what this node holds, and shows and stops them. */

import { status } from '@grpc/grpc-js';
import type { Bucket } from '../core/bucket.ts';
import { OperationError } from '../core/coordinator/failure.ts';
import type { NodeId } from '../core/identity.ts';
import type { Env } from '../env/env.ts';
import {
  type LongRunning,
  LongRunning_State,
  OperationServiceDefinition,
  type StartRepairRequest,
} from '../gen/kindred/v1/operation.ts';
import { ErrorReason, type ItemStatus, WriteOutcome } from '../gen/kindred/v1/types.ts';
import { timestampOf } from '../rpc/conversion.ts';
import { checkBucketName } from '../rpc/limits.ts';
import { type Service, type StreamingCall, service } from '../rpc/service.ts';
import type { OperationScope, OperationState, Operations, OperationView } from './operations.ts';
import { type RepairDependencies, runRepair } from './repair-operation.ts';

export interface OperationServiceDependencies {
  readonly self: NodeId;
  readonly env: Env;
  readonly operations: Operations;
  readonly repair: RepairDependencies;
  readonly buckets: ReadonlyMap<string, Bucket>;
}

/** How often an operation that is watched is looked at. */
const watchMs = 200;

const states: Readonly<Record<OperationState, LongRunning_State>> = {
  running: LongRunning_State.STATE_RUNNING,
  done: LongRunning_State.STATE_DONE,
  failed: LongRunning_State.STATE_FAILED,
  cancelled: LongRunning_State.STATE_CANCELLED,
};

export function operationService(dependencies: OperationServiceDependencies): Service {
  const { self, operations } = dependencies;
  const found = (id: string): OperationView => {
    const view = operations.get(id);
    if (view === undefined) throw new OperationError({ kind: 'operation-unknown', node: self });
    return view;
  };
  return service(
    OperationServiceDefinition,
    {
      async startRepair(request) {
        return { operation: operationMessage(startRepair(dependencies, request), self) };
      },
      async getOperation({ id }) {
        return { operation: operationMessage(found(id), self) };
      },
      async listOperations({ runningOnly }) {
        const all = operations.list().filter((view) => !runningOnly || view.state === 'running');
        return { operations: all.map((view) => operationMessage(view, self)) };
      },
      async cancelOperation({ id }) {
        const view = operations.cancel(id);
        if (view === undefined) throw new OperationError({ kind: 'operation-unknown', node: self });
        return { operation: operationMessage(view, self) };
      },
      async watchOperation({ id }, call) {
        await watch(dependencies, found(id), call);
      },
    },
    { watches: ['WatchOperation'] },
  );
}

function startRepair(
  { env, operations, repair, buckets }: OperationServiceDependencies,
  { bucket: name, dryRun, bytesPerSecondMax }: StartRepairRequest,
): OperationView {
  const bucket = name === '' ? undefined : buckets.get(name);
  if (name !== '') checkBucketName(name, 'bucket');
  if (name !== '' && bucket === undefined) throw new OperationError({ kind: 'bucket-unknown', bucket: name });
  if (operations.isStopped) throw new OperationError({ kind: 'draining' });
  const request = {
    bucket: bucket?.name,
    replication: bucket?.replication,
    dryRun,
    bytesPerSecondMax: bytesPerSecondMax === 0 ? undefined : bytesPerSecondMax,
  };
  const started = operations.start('repair', (run) => runRepair({ ...repair, env }, request, run), {
    dryRun,
    bucket: bucket?.name,
  });
  if (started.kind === 'started') return started.operation;
  const { id, scope } = started.running;
  throw new OperationError({
    kind: 'operation-running',
    problem: `${repairText(scope)} is running already: ${id}`,
  });
}

/** `a dry run of the repair of bucket "carts"`. */
function repairText({ dryRun, bucket }: OperationScope): string {
  const what = bucket === undefined ? 'of all buckets' : `of bucket "${bucket}"`;
  return `a ${dryRun ? 'dry run of the repair' : 'repair'} ${what}`;
}

/** Sends the operation now, whenever it has come further, and when it has ended. */
async function watch(
  { env, self, operations }: OperationServiceDependencies,
  first: OperationView,
  call: StreamingCall<{ operation: LongRunning }>,
): Promise<void> {
  let seen: OperationView | undefined = first;
  await call.send({ operation: operationMessage(first, self) });
  const { id } = first;
  while (seen?.state === 'running' && !call.cancelled) {
    // A node that stops does not wait for those who watch: they are told that it stops, and can ask another time.
    if (operations.isStopped) throw new OperationError({ kind: 'draining' });
    await new Promise<void>((resolve) => {
      env.timers.after(watchMs, resolve);
    });
    const now: OperationView | undefined = operations.get(id);
    // Views are never changed, only replaced.
    if (now !== undefined && now !== seen) await call.send({ operation: operationMessage(now, self) });
    seen = now;
  }
}

function operationMessage(view: OperationView, self: NodeId): LongRunning {
  return {
    id: view.id,
    kind: view.kind,
    state: states[view.state],
    progress: view.progress,
    startedAt: timestampOf(view.startedAtMicros),
    finishedAt: view.finishedAtMicros === undefined ? undefined : timestampOf(view.finishedAtMicros),
    counters: { ...view.counters },
    error: view.error === undefined ? undefined : itemStatus(status.ABORTED, view.error),
    nodeId: self,
    detail: view.detail,
    dryRun: view.scope.dryRun,
    bucket: view.scope.bucket ?? '',
  };
}

function itemStatus(code: number, message: string): ItemStatus {
  return {
    code,
    message,
    detail: {
      reason: ErrorReason.ERROR_REASON_UNSPECIFIED,
      writeOutcome: WriteOutcome.WRITE_OUTCOME_UNSPECIFIED,
      safeToRetry: true,
      retryAfter: undefined,
      required: 0,
      alive: 0,
      answered: 0,
      failures: [],
      topologyEpoch: 0,
      context: new Uint8Array(0),
      field: '',
    },
  };
}
