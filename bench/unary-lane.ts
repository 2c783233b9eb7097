/** A lane of unary gRPC calls, of Kindred or of etcd. */

import type { HeaderFields } from './hpack-static.ts';
import { Http2Connection, type StreamListener } from './http2-connection.ts';
import { contextOf, type Done, type Lane, nothingFound, varintBytes, writeVarint } from './lane.ts';
import { type LoadJob, txnOperations } from './load-job.ts';
import { noOpPath } from './no-op.ts';
import { RequestTemplate } from './request-template.ts';
import { etcdTxnOperation, type UnaryRequest } from './requests.ts';
import { templatesOf } from './templates.ts';
import type { OperationKind } from './ycsb.ts';

const prefixBytes = 5;
/** PutRequest.context. */
const contextTag = (3 << 3) | 2;

/** A call that can be made. */
interface Method {
  readonly fields: HeaderFields;
  readonly template: RequestTemplate;
  /** How often the template is repeated, with one key after the other. */
  readonly times: number;
  /** Of the answer, when all is well. */
  readonly answerBytesMin: number;
}

export async function openUnaryLane(endpoint: string, job: LoadJob): Promise<Lane> {
  const connection = await Http2Connection.open(endpoint);
  const { read, write } = methodsOf(endpoint, job);

  const call = (
    method: Method,
    key: number,
    done: Done,
    then?: { readonly context?: Buffer; readonly answered?: (answer: Buffer) => void },
  ): void => {
    const message = messageOf(method, key, job.keys, then?.context);
    const answer = new UnaryAnswer(method.answerBytesMin, done, then?.answered);
    connection.start(method.fields, message, true, answer);
  };

  return {
    get free() {
      return connection.free;
    },
    send(kind: OperationKind, key, done) {
      if (kind === 'read') call(read, key, done);
      else if (kind !== 'readModifyWrite') call(write, key, done);
      else {
        call(read, key, done, {
          answered: (answer) => {
            // etcd's put replaces whatever is there.
            const then = job.target === 'kindred' ? { context: contextOf(answer) } : {};
            call(write, key, done, then);
          },
        });
      }
    },
    stopReading: () => connection.stopReading(),
    close: () => connection.close(),
  };
}

/** Waits for one answer. The body is only kept when somebody wants it. */
class UnaryAnswer implements StreamListener {
  readonly #bytesMin: number;
  readonly #done: Done;
  readonly #answered: ((answer: Buffer) => void) | undefined;
  #bytes = 0;
  readonly #chunks: Buffer[] = [];

  constructor(bytesMin: number, done: Done, answered: ((answer: Buffer) => void) | undefined) {
    this.#bytesMin = bytesMin;
    this.#done = done;
    this.#answered = answered;
  }

  data(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#answered !== undefined) this.#chunks.push(chunk);
  }

  end(failure: string | undefined): void {
    if (failure !== undefined) this.#done(failure);
    else if (this.#bytes < this.#bytesMin) this.#done(nothingFound);
    else if (this.#answered === undefined) this.#done(undefined);
    else this.#answered(Buffer.concat(this.#chunks).subarray(prefixBytes));
  }
}

function messageOf({ template, times }: Method, key: number, keys: number, context?: Buffer): Buffer {
  const contextBytes = context === undefined ? 0 : 1 + varintBytes(context.length) + context.length;
  const length = template.bytes * times + contextBytes;
  const message = Buffer.allocUnsafe(prefixBytes + length);
  message[0] = 0;
  message.writeUInt32BE(length, 1);
  for (let index = 0; index < times; index++) {
    // A Txn names no key twice, and none that is not there; a key alone may be a new one.
    const each = times === 1 ? key : (key + index) % keys;
    template.write(message, prefixBytes + index * template.bytes, each);
  }
  if (context !== undefined) {
    const at = prefixBytes + template.bytes;
    message[at] = contextTag;
    context.copy(message, writeVarint(message, at + 1, context.length));
  }
  return message;
}

function methodsOf(endpoint: string, job: LoadJob): { readonly read: Method; readonly write: Method } {
  const { target, valueBytes, timeoutMs } = job;
  const method = (template: RequestTemplate, times: number, answerBytesMin: number): Method => ({
    fields: [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', template.path],
      [':authority', endpoint],
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
      ...(timeoutMs === undefined ? [] : [['grpc-timeout', `${timeoutMs}m`] as const]),
    ],
    template,
    times,
    answerBytesMin,
  });
  if (target === 'no-op' || target === 'bare') {
    const path = target === 'bare' ? noOpPath : '/grpc.health.v1.Health/Check';
    const noOp = method(
      new RequestTemplate({ path, message: new Uint8Array() }, { valueBytes }),
      1,
      prefixBytes,
    );
    return { read: noOp, write: noOp };
  }
  const times = target === 'etcd-txn' ? txnOperations : 1;
  const wrap = (request: UnaryRequest): UnaryRequest =>
    target === 'etcd-txn' ? etcdTxnOperation(request) : request;
  const { read, write } = templatesOf(job, wrap);
  return { read: method(read, times, valueBytes * times), write: method(write, times, prefixBytes) };
}
