/** One unary call as the door sees it, whoever carries it: grpc-js, `unary-stream.ts`, or the simulator. */

import type { ServerHttp2Stream } from 'node:http2';
import type { Metadata, ServerUnaryCall, StatusObject, sendUnaryData } from '@grpc/grpc-js';

/** What a call says before its first message. */
export interface CallHead {
  /** Whose call it is, for fair shares: the connection. */
  readonly connection: object;
  /** Bytes of the request's headers, without those that HTTP/2 and gRPC need for themselves. */
  headerBytes(): number;
  /** The client's gRPC library says that it sent this call before, by itself. */
  isRetry(): boolean;
  /** Milliseconds since 1970 by this machine's clock. `Infinity`: the client names none. */
  deadlineEpochMs(): number;
}

/** The part of a call's HTTP/2 stream that may be given up. */
export type CallStream = Pick<ServerHttp2Stream, 'writableEnded' | 'close'> &
  Partial<Pick<ServerHttp2Stream, 'session'>>;

/** Stands for the connection where it is gone already. */
export const nobody: object = {};

export interface UnaryExchange extends CallHead {
  readonly request: Buffer;
  /** Nobody waits for the answer any more. */
  readonly cancelled: boolean;
  readonly stream: CallStream;
  /** Calls back once the call is over, a good end included. For one listener. */
  onceOver(listener: () => void): void;
  /** Ends the call with OK and this message. */
  answer(message: Buffer): void;
  /** Ends the call without one. */
  fail(status: StatusObject): void;
}

/** The name of the header by which a gRPC library says how often it has sent a call before. */
export const previousAttemptsHeader = 'grpc-previous-rpc-attempts';

type SurfaceCall = Pick<ServerUnaryCall<Buffer, unknown>, 'metadata' | 'getDeadline'>;

/** The head of a call that grpc-js carries. */
export class GrpcCallHead implements CallHead {
  readonly #call: SurfaceCall;

  get connection(): object {
    return streamOf(this.#call).session ?? nobody;
  }

  constructor(call: SurfaceCall) {
    this.#call = call;
  }

  headerBytes(): number {
    return metadataBytes(this.#call.metadata);
  }

  isRetry(): boolean {
    const values = this.#call.metadata.get(previousAttemptsHeader);
    return values.length > 0 && Number(values[0]) > 0;
  }

  deadlineEpochMs(): number {
    return Number(this.#call.getDeadline());
  }
}

/** A unary call that grpc-js carries. */
export class GrpcUnaryExchange extends GrpcCallHead implements UnaryExchange {
  readonly request: Buffer;
  readonly #call: ServerUnaryCall<Buffer, Buffer>;
  readonly #callback: sendUnaryData<Buffer>;

  constructor(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
    super(call);
    this.request = call.request;
    this.#call = call;
    this.#callback = callback;
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  get stream(): CallStream {
    return streamOf(this.#call);
  }

  onceOver(listener: () => void): void {
    // grpc-js says so at every end of a call, a good one included.
    this.#call.once('cancelled', listener);
  }

  answer(message: Buffer): void {
    this.#callback(null, message);
  }

  fail(status: StatusObject): void {
    this.#callback(status);
  }
}

export function streamOf(call: object): CallStream {
  // No public member of grpc-js tells whether it has ended the call itself. `server.test.ts` notices when this one goes.
  return (call as { readonly call: { readonly stream: CallStream } }).call.stream;
}

function metadataBytes(metadata: Metadata): number {
  const headers = metadata.toHttp2Headers();
  let bytes = 0;
  for (const name in headers) {
    const values = headers[name];
    if (Array.isArray(values)) for (const value of values) bytes += name.length + value.length;
    else bytes += name.length + String(values ?? '').length;
  }
  return bytes;
}
