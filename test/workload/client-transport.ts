/**
 * How a client of a test reaches a node: over sockets in a chaos run, over the simulated network in the simulator. The
 * messages are those of the public API, and are encoded in both.
 */

import type {
  BatchGetRequest,
  BatchGetResponse,
  BatchWriteRequest,
  BatchWriteResponse,
  DeleteRequest,
  DeleteResponse,
  GetRequest,
  GetResponse,
  GetWriteOutcomeRequest,
  GetWriteOutcomeResponse,
  Operation,
  OperationResult,
  PutRequest,
  PutResponse,
  TouchRequest,
  TouchResponse,
} from '../../src/gen/kindred/v1/kv.ts';
import type { ErrorDetail } from '../../src/gen/kindred/v1/types.ts';

/** How a call ended, as a client of any language sees it. */
export type CallResult<Answer> =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | {
      readonly kind: 'failed';
      /** gRPC status code. */
      readonly code: number;
      readonly message: string;
      /** Absent where the failure is the client library's own: a broken connection, or its deadline. */
      readonly detail: ErrorDetail | undefined;
    };

export interface CallOptions {
  readonly timeoutMs: number;
}

/** A connection to one node. No method ever rejects, and each resolves soon after its time-out at the latest. */
export interface ClientTransport {
  readonly node: string;
  get(request: GetRequest, options: CallOptions): Promise<CallResult<GetResponse>>;
  put(request: PutRequest, options: CallOptions): Promise<CallResult<PutResponse>>;
  delete(request: DeleteRequest, options: CallOptions): Promise<CallResult<DeleteResponse>>;
  touch(request: TouchRequest, options: CallOptions): Promise<CallResult<TouchResponse>>;
  writeOutcome(
    request: GetWriteOutcomeRequest,
    options: CallOptions,
  ): Promise<CallResult<GetWriteOutcomeResponse>>;
  /** `onItem` hears of each answer as it comes; the result is how the whole call ended. */
  batchGet(
    request: BatchGetRequest,
    options: CallOptions,
    onItem: (item: BatchGetResponse) => void,
  ): Promise<CallResult<undefined>>;
  batchWrite(
    request: BatchWriteRequest,
    options: CallOptions,
    onItem: (item: BatchWriteResponse) => void,
  ): Promise<CallResult<undefined>>;
  /** Sends the operations as one pipeline and half-closes; `onResult` hears of each result as it comes. */
  pipeline(
    operations: readonly Operation[],
    options: CallOptions,
    onResult: (result: OperationResult) => void,
  ): Promise<CallResult<undefined>>;
}
