/**
 * A lane that is one Pipeline stream. What is sent in one turn of the event loop travels in one message; of a result only
 * id, status and length are read.
 */

import { ItemStatus } from '../src/gen/kindred/v1/types.ts';
import type { HeaderFields } from './hpack-static.ts';
import { Http2Connection } from './http2-connection.ts';
import { contextOf, type Done, type Lane, nothingFound, varint, varintBytes, writeVarint } from './lane.ts';
import type { LoadJob } from './load-job.ts';
import type { RequestTemplate } from './request-template.ts';
import { templatesOf } from './templates.ts';

// Fields of kindred.v1: PipelineRequest.operations, Operation.id, .get and .put, PutRequest.context.
const operationsTag = (1 << 3) | 2;
const idTag = 1 << 3;
const getTag = (2 << 3) | 2;
const putTag = (3 << 3) | 2;
const contextTag = (3 << 3) | 2;
// OperationResult.id, .status and .get.
const resultsTag = (1 << 3) | 2;
const statusTag = (2 << 3) | 2;

const prefixBytes = 5;
const operationsPerMessageMax = 1_000;
const messageBytesMax = 256 * 1024;
/** What the generator keeps in flight is its business; this only bounds it. */
const inFlightMax = 4_096;

interface Pending {
  readonly done: Done;
  readonly answerBytesMin: number;
  readonly answered: ((result: Buffer) => void) | undefined;
}

export async function openPipelineLane(endpoint: string, job: LoadJob): Promise<Lane> {
  const connection = await Http2Connection.open(endpoint);
  return new PipelineLane(connection, endpoint, job);
}

class PipelineLane implements Lane {
  readonly #connection: Http2Connection;
  readonly #stream: number;
  readonly #read: RequestTemplate;
  readonly #write: RequestTemplate;
  readonly #valueBytes: number;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #operations: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #rest: Buffer | undefined;

  constructor(connection: Http2Connection, endpoint: string, job: LoadJob) {
    this.#connection = connection;
    this.#valueBytes = job.valueBytes;
    const { read, write } = templatesOf(job, (request) => request);
    this.#read = read;
    this.#write = write;
    const fields: HeaderFields = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/kindred.v1.KeyValueService/Pipeline'],
      [':authority', endpoint],
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
    ];
    this.#stream = connection.start(fields, Buffer.alloc(0), false, {
      data: (chunk) => this.#data(chunk),
      end: (failure) => this.#end(failure ?? 'the stream ended'),
    });
  }

  get free(): number {
    return this.#ended ? 0 : inFlightMax - this.#pending.size;
  }

  send(kind: Parameters<Lane['send']>[0], key: number, done: Done): void {
    if (kind === 'read') this.#operation(getTag, this.#read, key, done);
    else if (kind !== 'readModifyWrite') this.#operation(putTag, this.#write, key, done);
    else {
      this.#operation(getTag, this.#read, key, done, (result) => {
        this.#operation(putTag, this.#write, key, done, undefined, contextOf(result));
      });
    }
  }

  stopReading(): void {
    this.#connection.stopReading();
  }

  close(): void {
    this.#connection.close();
  }

  #operation(
    tag: number,
    template: RequestTemplate,
    key: number,
    done: Done,
    answered?: (result: Buffer) => void,
    context?: Buffer,
  ): void {
    const id = this.#nextId++;
    this.#pending.set(id, { done, answered, answerBytesMin: tag === getTag ? this.#valueBytes : 0 });
    const contextBytes = context === undefined ? 0 : 1 + varintBytes(context.length) + context.length;
    const requestBytes = template.bytes + contextBytes;
    const operationBytes = 2 + varintBytes(id) + varintBytes(requestBytes) + requestBytes;
    const bytes = Buffer.allocUnsafe(1 + varintBytes(operationBytes) + operationBytes);
    bytes[0] = operationsTag;
    let at = writeVarint(bytes, 1, operationBytes);
    bytes[at] = idTag;
    at = writeVarint(bytes, at + 1, id);
    bytes[at] = tag;
    at = writeVarint(bytes, at + 1, requestBytes);
    template.write(bytes, at, key);
    if (context !== undefined) {
      at += template.bytes;
      bytes[at] = contextTag;
      context.copy(bytes, writeVarint(bytes, at + 1, context.length));
    }
    if (this.#operations.length === 0) queueMicrotask(() => this.#flush());
    this.#operations.push(bytes);
    this.#bytes += bytes.length;
    if (this.#operations.length >= operationsPerMessageMax || this.#bytes >= messageBytesMax) this.#flush();
  }

  #flush(): void {
    if (this.#operations.length === 0 || this.#ended) return;
    const prefix = Buffer.alloc(prefixBytes);
    prefix.writeUInt32BE(this.#bytes, 1);
    this.#connection.write(this.#stream, Buffer.concat([prefix, ...this.#operations]), false);
    this.#operations = [];
    this.#bytes = 0;
  }

  #data(chunk: Buffer): void {
    let bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= prefixBytes) {
      const end = prefixBytes + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      this.#message(bytes.subarray(prefixBytes, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes.length === 0 ? undefined : bytes;
  }

  #message(message: Buffer): void {
    let at = 0;
    while (at < message.length) {
      if (message[at] !== resultsTag) throw new Error(`PipelineResponse with a field of tag ${message[at]}`);
      const [length, from] = varint(message, at + 1);
      at = from + length;
      this.#result(message, from, at);
    }
  }

  #result(message: Buffer, from: number, end: number): void {
    let at = from;
    let id = 0;
    let failure: string | undefined;
    let answerAt = end;
    while (at < end) {
      const tag = message[at] as number;
      const [value, after] = varint(message, at + 1);
      at = after;
      if (tag === idTag) {
        id = value;
        continue;
      }
      if (tag === statusTag) {
        const { code } = ItemStatus.decode(message.subarray(at, at + value));
        if (code !== 0) failure = String(code);
      } else answerAt = at;
      at += value;
    }
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    if (failure !== undefined) pending.done(failure);
    else if (end - answerAt < pending.answerBytesMin) pending.done(nothingFound);
    else if (pending.answered === undefined) pending.done(undefined);
    else pending.answered(message.subarray(answerAt, end));
  }

  #end(failure: string): void {
    this.#ended = true;
    for (const { done } of this.#pending.values()) done(failure);
    this.#pending.clear();
  }
}
