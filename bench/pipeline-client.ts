/**
 * The client of the pipelined rows, in a process of its own: a Pipeline stream to each node, each with the same number of
 * operations always in flight, on keys chosen at random. Run by `driver-process.ts`.
 *
 * Keys and values are encoded before the run, and of an answer only its id and status are read: this process shares the
 * cores with the servers, and is not the subject.
 */

import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { Operation } from '../src/gen/kindred/v1/kv.ts';
import { type ConsistencyLevel, ItemStatus } from '../src/gen/kindred/v1/types.ts';
import { epochMs, Recorder, type Samples, type Window } from './measurement.ts';
import { kindredGetMessage, kindredPutMessage, randomValue } from './requests.ts';

export interface PipelineJob {
  readonly kind: 'pipeline';
  readonly endpoints: readonly string[];
  readonly operation: 'put' | 'get';
  readonly level: ConsistencyLevel;
  readonly valueBytes: number;
  /** How many different keys. */
  readonly keys: number;
  /** Operations in flight on each stream. */
  readonly inFlight: number;
}

// Fields of kindred.v1: PipelineRequest.operations, Operation.id, PipelineResponse.results, OperationResult.id and .status.
const operationsField = 1;
const operationIdField = 1;
const resultsField = 1;
const resultIdField = 1;
const resultStatusField = 2;

const operationsPerMessageMax = 1_000;
const messageBytesMax = 256 * 1024;
const answerMsMax = 15_000;

/** Gets ready, and returns what runs until the window has ended and all is answered. Without a window: each key once. */
export async function preparePipeline(
  job: PipelineJob,
): Promise<(window: Window | undefined) => Promise<Samples>> {
  const operations = encodedOperations(job);
  const clients = await Promise.all(job.endpoints.map(connected));
  return async (window) => {
    const recorder = new Recorder(window ?? { fromMs: 0, untilMs: Number.POSITIVE_INFINITY });
    await Promise.all(
      clients.map((client, index) => {
        const nextKey = window === undefined ? eachOnce(job, index) : atRandom(job, window);
        return runStream(client, { inFlight: job.inFlight, recorder, operations, nextKey });
      }),
    );
    return recorder.samples();
  };
}

/** The operation on each key, encoded, without its id: fields of a message may come in any order, so the id goes behind. */
function encodedOperations({ operation, keys, valueBytes, level }: PipelineJob): Uint8Array[] {
  return Array.from({ length: keys }, (_, index) => {
    const key = `pipeline-${valueBytes}-${index}`;
    const op: Operation['op'] =
      operation === 'put'
        ? { $case: 'put', value: kindredPutMessage(key, randomValue(valueBytes), level) }
        : { $case: 'get', value: kindredGetMessage(key, level) };
    return Operation.encode({ id: 0, op, timeout: undefined }).finish();
  });
}

/** Indexes of keys, until `undefined`. */
type NextKey = () => number | undefined;

function atRandom({ keys }: PipelineJob, { untilMs }: Window): NextKey {
  return () => (epochMs() < untilMs ? Math.floor(Math.random() * keys) : undefined);
}

function eachOnce({ keys, endpoints }: PipelineJob, first: number): NextKey {
  let next = first;
  return () => {
    if (next >= keys) return undefined;
    next += endpoints.length;
    return next - endpoints.length;
  };
}

function connected(endpoint: string): Promise<Client> {
  const client = new Client(endpoint, credentials.createInsecure(), {
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.max_receive_message_length': -1,
  });
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + answerMsMax, (error) => {
      if (error === undefined) resolve(client);
      else reject(error);
    });
  });
}

interface StreamWork {
  readonly inFlight: number;
  readonly recorder: Recorder;
  readonly operations: readonly Uint8Array[];
  readonly nextKey: NextKey;
}

function runStream(client: Client, { inFlight, recorder, operations, nextKey }: StreamWork): Promise<void> {
  const stream: ClientDuplexStream<Uint8Array, Uint8Array> = client.makeBidiStreamRequest(
    '/kindred.v1.KeyValueService/Pipeline',
    (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    (bytes) => bytes,
  );
  const startedMs = new Map<number, number>();
  let nextId = 1;
  let ended = false;

  const fill = (): void => {
    const nowMs = epochMs();
    while (!ended && startedMs.size < inFlight) {
      const writer = new BinaryWriter();
      let bytes = 0;
      let count = 0;
      while (startedMs.size < inFlight && count < operationsPerMessageMax && bytes < messageBytesMax) {
        const key = nextKey();
        if (key === undefined) {
          ended = true;
          break;
        }
        const id = nextId++;
        startedMs.set(id, nowMs);
        const operation = operations[key] as Uint8Array;
        writer.tag(operationsField, 2).fork().raw(operation).tag(operationIdField, 0).uint64(id).join();
        bytes += operation.length;
        count++;
      }
      if (count > 0) stream.write(writer.finish());
    }
    if (ended) stream.end();
  };

  return new Promise<void>((resolve, reject) => {
    const silence = setTimeout(() => {
      stream.destroy(new Error(`a pipeline was silent for ${answerMsMax / 1000} s`));
    }, answerMsMax);
    stream.on('data', (bytes: Uint8Array) => {
      const nowMs = epochMs();
      silence.refresh();
      for (const { id, status } of readResults(bytes)) {
        const startMs = startedMs.get(id);
        if (startMs === undefined) continue;
        startedMs.delete(id);
        if (status === undefined) recorder.succeeded(nowMs, nowMs - startMs);
        else recorder.failed(`${status.code} ${status.message}`);
      }
      if (!ended) fill();
    });
    stream.on('error', (error) => {
      clearTimeout(silence);
      reject(error);
    });
    stream.on('end', () => {
      clearTimeout(silence);
      if (startedMs.size === 0) resolve();
      else reject(new Error(`a pipeline ended with ${startedMs.size} operations unanswered`));
    });
    fill();
  }).finally(() => client.close());
}

interface Result {
  readonly id: number;
  /** Unless it is OK. */
  readonly status: ItemStatus | undefined;
}

function* readResults(bytes: Uint8Array): Generator<Result> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== resultsField) {
      reader.skip(wireType);
      continue;
    }
    const length = reader.uint32();
    const end = reader.pos + length;
    let id = 0;
    let status: ItemStatus | undefined;
    while (reader.pos < end) {
      const [inner, innerType] = reader.tag();
      if (inner === resultIdField) id = Number(reader.uint64());
      else if (inner === resultStatusField) status = ItemStatus.decode(reader, reader.uint32());
      else reader.skip(innerType);
    }
    yield { id, status: status?.code === 0 ? undefined : status };
  }
}
