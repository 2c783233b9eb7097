/** KeyValueService: every method is thin, and what they share is in `client-operations.ts`. */

import {
  type BatchGetRequest,
  type BatchGetResponse,
  type BatchWriteRequest,
  type BatchWriteResponse,
  KeyValueServiceDefinition,
  Operation,
  OperationResult,
} from '../gen/kindred/v1/kv.ts';
import type { Admission } from '../rpc/admission.ts';
import type { DeadlineOptions } from '../rpc/deadline.ts';
import { encodeMessage } from '../rpc/encode-message.ts';
import { checkItems, checkMessageBytes, checkRequestId, invalid, type RequestLimits } from '../rpc/limits.ts';
import { type Call, type Service, type StreamingCall, service } from '../rpc/service.ts';
import { StatusError } from '../rpc/status.ts';
import { mutationOf, runBatch } from './batch.ts';
import {
  type Circumstances,
  ClientOperations,
  type ClientOperationsDependencies,
} from './client-operations.ts';
import { Pipeline } from './pipeline.ts';

export interface KeyValueOptions extends DeadlineOptions {
  readonly limits: RequestLimits;
  /** Operations of one pipeline in flight. */
  readonly pipelineOperationsMax: number;
}

export interface KeyValueDependencies extends ClientOperationsDependencies {
  /** That of the server which the service is added to. */
  readonly admission: Admission;
}

/** The service for clients, and the door for operations that another node passes on. */
export interface KeyValueService {
  readonly service: Service;
  /**
   * Carries out an operation that another node passed on: `kindred.v1.Operation` in, `kindred.v1.OperationResult` out.
   * Never rejects: failures are in the result.
   */
  readonly executeOperation: (operation: Uint8Array, timeoutMs: number) => Promise<Uint8Array>;
}

export function keyValueService(
  dependencies: KeyValueDependencies,
  options: KeyValueOptions,
): KeyValueService {
  const operations = new ClientOperations(dependencies, options.limits);
  const { env, admission } = dependencies;
  const { limits } = options;
  return {
    service: service(
      KeyValueServiceDefinition,
      {
        get: (request, call) => operations.get(request, circumstances(call)),
        put: (request, call) => operations.put(request, circumstances(call)),
        delete: (request, call) => operations.delete(request, circumstances(call)),
        touch: (request, call) => operations.touch(request, circumstances(call)),
        getWriteOutcome: (request, call) => operations.writeOutcome(request, circumstances(call)),
        batchGet: (request, call) => batchGet(operations, request, call, limits),
        batchWrite: (request, call) => batchWrite(operations, request, call, limits),
        pipeline(call) {
          const pipeline = new Pipeline({ env, operations, admission }, call, {
            ...options,
            operationsMax: options.pipelineOperationsMax,
          });
          call.listen(pipeline);
        },
      },
      { writes: ['Put', 'Delete', 'Touch', 'BatchWrite', 'Pipeline'] },
    ),
    async executeOperation(bytes, timeoutMs) {
      const result = await operations.execute(Operation.decode(bytes), {
        // The other node waits `timeoutMs`: the result must be there before it.
        deadlineMs: env.clock.monotonicMs() + timeoutMs * 0.95,
        isRetry: false,
        mayForward: false,
        fieldPrefix: '',
      });
      return encodeMessage(OperationResult, result);
    },
  };
}

function circumstances(call: Call): Circumstances {
  return { deadlineMs: call.deadlineMs, isRetry: call.isRetry, mayForward: true, fieldPrefix: '' };
}

async function batchGet(
  operations: ClientOperations,
  request: BatchGetRequest,
  call: StreamingCall<BatchGetResponse>,
  limits: RequestLimits,
): Promise<void> {
  const { keys, options } = request;
  checkItems(keys.length, limits.batchItemsMax, 'keys');
  if (options !== undefined && options.minContext.length > 0) {
    throw invalid('options.min_context', 'belongs to one key, and a batch has several');
  }
  await runBatch(call, keys.length, async (index) => {
    const how: Circumstances = {
      deadlineMs: call.deadlineMs,
      isRetry: call.isRetry,
      mayForward: true,
      fieldPrefix: `keys[${index}]`,
    };
    try {
      return { index, status: undefined, result: await operations.get({ key: keys[index], options }, how) };
    } catch (error) {
      return { index, status: itemOf(error), result: undefined };
    }
  });
}

async function batchWrite(
  operations: ClientOperations,
  request: BatchWriteRequest,
  call: StreamingCall<BatchWriteResponse>,
  limits: RequestLimits,
): Promise<void> {
  const { mutations, options } = request;
  checkItems(mutations.length, limits.batchItemsMax, 'mutations');
  checkMessageBytes(call.requestBytes, limits.batchBytesMax, 'mutations');
  if (options !== undefined) checkRequestId(options.requestId, 'options.request_id');
  await runBatch(call, mutations.length, async (index): Promise<BatchWriteResponse> => {
    const op = mutationOf(request, index);
    const how = (field: string): Circumstances => ({
      deadlineMs: call.deadlineMs,
      isRetry: call.isRetry,
      mayForward: true,
      fieldPrefix: `mutations[${index}].${field}`,
    });
    try {
      switch (op?.$case) {
        case 'put': {
          const value = await operations.put(op.value, how('put.'));
          return { index, status: undefined, result: { $case: 'put', value } };
        }
        case 'delete': {
          const value = await operations.delete(op.value, how('delete.'));
          return { index, status: undefined, result: { $case: 'delete', value } };
        }
        case undefined: {
          const { failure } = invalid(`mutations[${index}].op`, 'is required: put or delete');
          const { isRetry } = call;
          throw operations.refusal('BatchWrite', { kind: 'write', hasRequestId: false, isRetry }, failure);
        }
      }
    } catch (error) {
      return { index, status: itemOf(error), result: undefined };
    }
  });
}

function itemOf(error: unknown): StatusError['item'] {
  if (error instanceof StatusError) return error.item;
  throw error;
}
