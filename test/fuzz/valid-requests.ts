/** Valid requests of every method on the client port: what the fuzzer starts from. */

import { BucketServiceDefinition } from '../../src/gen/kindred/v1/bucket.ts';
import { DiagnosticServiceDefinition } from '../../src/gen/kindred/v1/diagnostic.ts';
import { KeyValueServiceDefinition, type Operation, type PutRequest } from '../../src/gen/kindred/v1/kv.ts';
import { OperationServiceDefinition } from '../../src/gen/kindred/v1/operation.ts';
import { TopologyServiceDefinition } from '../../src/gen/kindred/v1/topology.ts';
import type { ReadOptions, WriteOptions } from '../../src/gen/kindred/v1/types.ts';

import type { SeededRandom } from '../support/seeded-random.ts';

/** One request as it goes on the wire. */
export interface ValidRequest {
  readonly path: string;
  readonly message: Uint8Array;
  /** The method takes a stream of requests: the message may be sent several times. */
  readonly isStream: boolean;
}

type Deep<T> = T extends Uint8Array | number | string | boolean | undefined
  ? T
  : T extends readonly (infer U)[]
    ? Deep<U>[]
    : { [K in keyof T]?: Deep<T[K]> };

interface Method {
  readonly name: string;
  readonly requestType: {
    fromPartial(partial: never): unknown;
    encode(message: never): { finish(): Uint8Array };
  };
  readonly requestStream: boolean;
}

const definitions = [
  KeyValueServiceDefinition,
  BucketServiceDefinition,
  TopologyServiceDefinition,
  DiagnosticServiceDefinition,
  OperationServiceDefinition,
] as const;

/** Paths of all methods that requests are made for. */
export const fuzzedPaths: readonly string[] = [
  ...definitions.flatMap((definition) =>
    Object.values(definition.methods).map((method) => `/${definition.fullName}/${method.name}`),
  ),
  '/grpc.health.v1.Health/Check',
  '/grpc.health.v1.Health/Watch',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
];

/** A request that the server must carry out or refuse by name. `contexts` are tokens of earlier answers. */
export function validRequest(random: SeededRandom, contexts: readonly Uint8Array[]): ValidRequest {
  const path = random.pick(fuzzedPaths);
  const isStream = path.endsWith('Pipeline') || path.includes('reflection');
  for (const definition of definitions) {
    for (const method of Object.values(definition.methods) as readonly Method[]) {
      if (path !== `/${definition.fullName}/${method.name}`) continue;
      const partial = partialOf(method.name, random, contexts);
      const message = method.requestType
        .encode(method.requestType.fromPartial(partial as never) as never)
        .finish();
      return { path, message, isStream };
    }
  }
  // Health names a service in field 1; reflection asks for a file in 3, a symbol in 4, everything in 7.
  const field = path.includes('Health') ? 1 : random.pick([3, 4, 7]);
  const text = random.pick([
    '',
    'kindred.v1.KeyValueService',
    'kindred/v1/types.proto',
    'kindred.v1.Key',
    'nobody',
  ]);
  const message = Buffer.concat([Buffer.from([field * 8 + 2, text.length]), Buffer.from(text)]);
  return { path, message, isStream };
}

function partialOf(method: string, random: SeededRandom, contexts: readonly Uint8Array[]): object {
  switch (method) {
    case 'Get':
      return { key: keyOf(random), options: readOptions(random, contexts) };
    case 'Put':
      return putOf(random, contexts);
    case 'Delete':
      return { key: keyOf(random), causality: causalityOf(random, contexts), options: writeOptions(random) };
    case 'Touch':
      return touchOf(random, contexts);
    case 'BatchGet':
      return { keys: several(random, () => keyOf(random)), options: { omitData: random.percent(50) } };
    case 'BatchWrite':
      return {
        mutations: several(random, () =>
          random.percent(70)
            ? { op: { $case: 'put', value: putOf(random, contexts) } }
            : { op: { $case: 'delete', value: { key: keyOf(random) } } },
        ),
        options: writeOptions(random),
      };
    case 'Pipeline':
      return { operations: several(random, (id) => operationOf(id, random, contexts)) };
    case 'GetWriteOutcome':
      return { key: keyOf(random), requestId: requestId(random), options: readOptions(random, contexts) };
    case 'GetBucket':
      return { name: random.pick(['', 'default', 'nobody']) };
    case 'ListBuckets':
      return { pageSize: random.below(3), pageToken: random.pick(['', 'default']) };
    case 'GetTopology':
      return { includeTokens: random.percent(20) };
    case 'GetPlacement':
      return { bucket: random.pick(['', 'default', 'nobody']) };
    case 'Locate':
      return { key: keyOf(random) };
    case 'InspectKey':
      return { key: keyOf(random), includeData: random.percent(50) };
    case 'GetNodeStatus':
      return {};
    case 'WatchTopology':
      return { includeTokens: random.percent(5) };
    case 'MeasureDivergence':
      return { bucket: random.pick(['', 'default', 'nobody']), sampleKeys: random.pick([0, 3, 20_000]) };
    case 'StartRepair':
      return { bucket: random.pick(['', 'default', 'nobody']), dryRun: random.percent(70) };
    case 'GetOperation':
    case 'CancelOperation':
    case 'WatchOperation':
      return { id: random.pick(['', 'repair-1', 'nobody']) };
    case 'ListOperations':
      return { runningOnly: random.percent(50) };
    default:
      throw new Error(`no requests are made for ${method}: add it here`);
  }
}

function operationOf(id: number, random: SeededRandom, contexts: readonly Uint8Array[]): Deep<Operation> {
  const timeout = random.percent(20) ? { seconds: 1, nanos: 0 } : undefined;
  const op = random.pick([
    { $case: 'get', value: { key: keyOf(random), options: readOptions(random, contexts) } },
    { $case: 'put', value: putOf(random, contexts) },
    { $case: 'delete', value: { key: keyOf(random) } },
    { $case: 'touch', value: touchOf(random, contexts) },
  ] as const);
  return { id, op, timeout } as Deep<Operation>;
}

function putOf(random: SeededRandom, contexts: readonly Uint8Array[]): Deep<PutRequest> {
  const expiry = random.pick([
    undefined,
    undefined,
    { $case: 'ttl', value: { seconds: random.between(1, 1000), nanos: 0 } },
    { $case: 'expireTime', value: { seconds: 2_000_000_000, nanos: 1 } },
    { $case: 'keepExpiry', value: true },
  ] as const);
  return {
    key: keyOf(random),
    value: {
      data: bytesOf(random, random.below(40)),
      contentType: random.pick(['', 'text/plain']),
      metadata: random.percent(20) ? { a: '1', b: 'two' } : {},
    },
    causality: causalityOf(random, contexts),
    expiry,
    options: writeOptions(random),
  } as Deep<PutRequest>;
}

function touchOf(random: SeededRandom, contexts: readonly Uint8Array[]): object {
  return {
    key: keyOf(random),
    expiry: random.pick([
      { $case: 'ttl', value: { seconds: 60, nanos: 0 } },
      { $case: 'never', value: true },
    ] as const),
    context: random.percent(20) ? contextOf(random, contexts) : new Uint8Array(0),
    options: writeOptions(random),
  };
}

function causalityOf(random: SeededRandom, contexts: readonly Uint8Array[]): object | undefined {
  if (random.percent(40)) return undefined;
  if (random.percent(50)) return { $case: 'context', value: contextOf(random, contexts) };
  return { $case: 'blind', value: random.below(4) };
}

function readOptions(random: SeededRandom, contexts: readonly Uint8Array[]): Deep<ReadOptions> | undefined {
  if (random.percent(40)) return undefined;
  return {
    strength: strengthOf(random),
    minContext: random.percent(20) ? contextOf(random, contexts) : new Uint8Array(0),
    onConflict: random.below(4),
    omitData: random.percent(30),
    fallback: random.percent(20) ? [2] : [],
  } as Deep<ReadOptions>;
}

function writeOptions(random: SeededRandom): Deep<WriteOptions> | undefined {
  if (random.percent(40)) return undefined;
  return {
    strength: strengthOf(random),
    durability: random.below(4),
    requestId: random.percent(40) ? requestId(random) : new Uint8Array(0),
  } as Deep<WriteOptions>;
}

function strengthOf(random: SeededRandom): object | undefined {
  return random.pick([
    undefined,
    { $case: 'consistency', value: random.below(10) },
    { $case: 'replicas', value: random.below(3) },
  ] as const);
}

/** Few keys, so that requests meet. */
function keyOf(random: SeededRandom): { bucket: string; key: Uint8Array } {
  return { bucket: random.percent(5) ? 'default' : '', key: Buffer.from(`fuzz-${random.below(50)}`) };
}

function contextOf(random: SeededRandom, contexts: readonly Uint8Array[]): Uint8Array {
  return contexts.length === 0 ? new Uint8Array(0) : random.pick(contexts);
}

function requestId(random: SeededRandom): Uint8Array {
  return bytesOf(random, 16);
}

export function bytesOf(random: SeededRandom, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function several<T>(random: SeededRandom, item: (index: number) => T): T[] {
  return Array.from({ length: random.between(1, 8) }, (_, index) => item(index));
}
