/** A node that answers as a test says: the real protocol over a real socket, and no store behind it. */

import { connect, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { type CallContext, createServer, type Server, ServerError, Status } from 'nice-grpc';
import { Status as RpcStatus } from '../../src/gen/google/rpc/status.ts';
import {
  type BatchGetRequest,
  type BatchGetResponse,
  type BatchWriteRequest,
  type BatchWriteResponse,
  type GetRequest,
  GetResponse,
  GetResponse_State,
  KeyValueServiceDefinition,
  type PipelineRequest,
  type PipelineResponse,
  type PutRequest,
  PutResponse,
} from '../../src/gen/kindred/v1/kv.ts';
import { Dot, ErrorDetail, ReadReport, Version, WriteReport } from '../../src/gen/kindred/v1/types.ts';

/** What a fake node does. What is left out answers UNIMPLEMENTED. */
export interface Behaviour {
  readonly get?: (request: GetRequest, context: CallContext) => Promise<GetResponse> | GetResponse;
  readonly put?: (request: PutRequest, context: CallContext) => Promise<PutResponse> | PutResponse;
  readonly batchGet?: (request: BatchGetRequest, context: CallContext) => AsyncIterable<BatchGetResponse>;
  readonly batchWrite?: (
    request: BatchWriteRequest,
    context: CallContext,
  ) => AsyncIterable<BatchWriteResponse>;
  readonly pipeline?: (
    requests: AsyncIterable<PipelineRequest>,
    context: CallContext,
  ) => AsyncIterable<PipelineResponse>;
}

/** A running fake node. All its connections go through a relay, so that a test can cut them. */
export class FakeNode {
  readonly address: string;
  readonly #server: Server;
  readonly #relay: TcpServer;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(address: string, server: Server, relay: TcpServer, sockets: ReadonlySet<Socket>) {
    this.address = address;
    this.#server = server;
    this.#relay = relay;
    this.#sockets = sockets;
  }

  static async start(behaviour: Behaviour): Promise<FakeNode> {
    const server = createServer();
    const { get = refuseAll, put = refuseAll } = behaviour;
    server.add(KeyValueServiceDefinition, {
      ...unimplemented,
      ...behaviour,
      get: async (request, context) => get(request, context),
      put: async (request, context) => put(request, context),
    });
    const port = await server.listen('127.0.0.1:0');
    const sockets = new Set<Socket>();
    const relay = createTcpServer((socket) => {
      const onward = connect(port, '127.0.0.1');
      for (const [one, other] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        sockets.add(one);
        one.pipe(other);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    const address = relay.address();
    if (address === null || typeof address === 'string') throw new Error('the relay has no port');
    return new FakeNode(`127.0.0.1:${address.port}`, server, relay, sockets);
  }

  /** Breaks all connections. New ones are accepted. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#relay.close();
    this.cut();
    this.#server.forceShutdown();
  }
}

/** Fails a call as a node does, with a detail in the trailer. */
export function refuse(
  context: CallContext,
  code: Status,
  message: string,
  detail: Partial<ErrorDetail>,
): never {
  const packed = RpcStatus.encode({
    code,
    message,
    details: [
      {
        typeUrl: 'type.googleapis.com/kindred.v1.ErrorDetail',
        value: ErrorDetail.encode(ErrorDetail.fromPartial(detail)).finish(),
      },
    ],
  }).finish();
  context.trailer.set('grpc-status-details-bin', packed);
  throw new ServerError(code, message);
}

/** An answer to a get: this value. */
export function found(text: string): GetResponse {
  return GetResponse.fromPartial({
    state: GetResponse_State.STATE_FOUND,
    versions: [
      Version.fromPartial({ body: { $case: 'value', value: { data: Buffer.from(text) } }, dot: someDot }),
    ],
    context: Buffer.from(`context of ${text}`),
    report: ReadReport.fromPartial({}),
  });
}

/** An answer to a put. */
export function stored(): PutResponse {
  return PutResponse.fromPartial({
    context: Buffer.from('context'),
    dot: someDot,
    versionsHeld: 1,
    report: WriteReport.fromPartial({}),
  });
}

const someDot = Dot.fromPartial({ replica: 1, epoch: 1, counter: 1 });

function refuseAll(): never {
  throw new ServerError(Status.UNIMPLEMENTED, 'not part of this test');
}

const unimplemented = {
  get: refuseAll,
  put: refuseAll,
  delete: refuseAll,
  touch: refuseAll,
  batchGet: refuseAll,
  batchWrite: refuseAll,
  pipeline: refuseAll,
  getWriteOutcome: refuseAll,
};
