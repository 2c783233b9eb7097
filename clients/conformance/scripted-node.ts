/**
 * A server that answers get, put and delete as a case tells it to, for what healthy nodes cannot be brought to: a full disk, an
 * overload, one failure after another. It remembers what it was asked.
 */

import {
  status as Code,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  DeleteRequest,
  DeleteResponse,
  GetRequest,
  GetResponse,
  PutRequest,
  PutResponse,
} from '../../src/gen/kindred/v1/kv.ts';
import { ErrorDetail, ErrorReason, WriteOutcome } from '../../src/gen/kindred/v1/types.ts';
import { durationOfMs } from '../../src/rpc/conversion.ts';
import { grpcStatusOf } from '../../src/rpc/status.ts';
import type { JsonObject } from './template.ts';

/** One answer. What comes after the last of a script succeeds. */
export type ScriptedReply =
  | { readonly succeed: true }
  | {
      readonly fail: {
        readonly code: string;
        /** Without: a failure that something between the client and the node made. */
        readonly detail?:
          | {
              readonly reason: string;
              readonly outcome?: 'NOT_APPLIED' | 'UNKNOWN' | undefined;
              readonly safeToRetry?: boolean | undefined;
              readonly retryAfterMs?: number | undefined;
            }
          | undefined;
      };
    };

interface Received {
  readonly method: string;
  readonly requestId: string;
  /** What a gRPC library that retries by itself says of it. */
  readonly attemptsBefore: number;
  /** Since the request before. */
  readonly afterMs: number;
}

type Call<Request> = Pick<ServerUnaryCall<Request, unknown>, 'request' | 'metadata'>;

const context = Buffer.from('made by the scripted node');
const report = { coordinator: 'scripted', topologyEpoch: 1 };

export class ScriptedNode {
  readonly port: number;
  readonly #server: Server;
  #replies: ScriptedReply[] = [];
  #received: Received[] = [];
  #lastMs = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async listen(): Promise<ScriptedNode> {
    const server = new Server();
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    const node = new ScriptedNode(server, port);
    node.#serve();
    return node;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** From now on these are the answers, in order. What was received is forgotten. */
  follow(replies: readonly ScriptedReply[]): void {
    this.#replies = [...replies];
    this.#received = [];
    this.#lastMs = performance.now();
  }

  /** What came since `follow`. */
  get received(): readonly JsonObject[] {
    return this.#received.map((each) => ({ ...each }));
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #serve(): void {
    const method = <Request, Response>(
      name: string,
      request: { decode(bytes: Uint8Array): Request },
      response: { encode(message: Response): { finish(): Uint8Array } },
    ): MethodDefinition<Request, Response> => ({
      path: `/kindred.v1.KeyValueService/${name}`,
      requestStream: false,
      responseStream: false,
      requestDeserialize: (bytes) => request.decode(bytes),
      requestSerialize: () => Buffer.alloc(0),
      responseSerialize: (message) => Buffer.from(response.encode(message).finish()),
      responseDeserialize: () => {
        throw new Error('a server reads no answers');
      },
    });
    const service = {
      get: method('Get', GetRequest, GetResponse),
      put: method('Put', PutRequest, PutResponse),
      delete: method('Delete', DeleteRequest, DeleteResponse),
    };
    const dot = { replica: 1, epoch: 1, counter: 1 };
    const written = { context, dot, report, versionsHeld: 1 };
    const implementation: UntypedServiceImplementation = {
      get: (call: Call<GetRequest>, done: sendUnaryData<GetResponse>) =>
        this.#answer('Get', call, GetResponse.fromPartial({ state: 3, context, report }), done),
      put: (call: Call<PutRequest>, done: sendUnaryData<PutResponse>) =>
        this.#answer('Put', call, PutResponse.fromPartial(written), done),
      delete: (call: Call<DeleteRequest>, done: sendUnaryData<DeleteResponse>) =>
        this.#answer('Delete', call, DeleteResponse.fromPartial(written), done),
    };
    this.#server.addService(service, implementation);
  }

  #answer<T>(
    method: string,
    { request, metadata }: Call<GetRequest | PutRequest | DeleteRequest>,
    answer: T,
    done: sendUnaryData<T>,
  ): void {
    const { options } = request;
    const requestId = options !== undefined && 'requestId' in options ? options.requestId : [];
    const nowMs = performance.now();
    this.#received.push({
      method,
      requestId: Buffer.from(requestId).toString('base64'),
      attemptsBefore: Number(metadata.get('grpc-previous-rpc-attempts')[0] ?? 0),
      afterMs: nowMs - this.#lastMs,
    });
    this.#lastMs = nowMs;
    const reply = this.#replies.shift() ?? { succeed: true };
    if ('succeed' in reply) {
      done(null, answer);
      return;
    }
    const { code, detail } = reply.fail;
    const message = 'the script of the case says so';
    done(grpcStatusOf({ code: codeOf(code), message, detail: detail && detailOf(detail) }));
  }
}

function codeOf(name: string): Code {
  const code = Code[name as keyof typeof Code];
  if (code === undefined) throw new Error(`gRPC has no code ${name}`);
  return code;
}

function detailOf(
  detail: NonNullable<Extract<ScriptedReply, { fail: unknown }>['fail']['detail']>,
): ErrorDetail {
  const reason = ErrorReason[`ERROR_REASON_${detail.reason}` as keyof typeof ErrorReason];
  if (reason === undefined) throw new Error(`there is no reason ${detail.reason}`);
  const outcome = detail.outcome ?? 'UNSPECIFIED';
  return ErrorDetail.fromPartial({
    reason,
    writeOutcome: WriteOutcome[`WRITE_OUTCOME_${outcome}`],
    safeToRetry: detail.safeToRetry ?? true,
    retryAfter: detail.retryAfterMs === undefined ? undefined : durationOfMs(detail.retryAfterMs),
  });
}
