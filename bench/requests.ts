/** The bytes that are sent: the same operation for Kindred and for etcd, as close as their interfaces allow. */

import { randomBytes } from 'node:crypto';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { GetRequest, PutRequest } from '../src/gen/kindred/v1/kv.ts';
import {
  type ConsistencyLevel,
  Durability,
  Key,
  ReadOptions,
  Value,
  WriteOptions,
} from '../src/gen/kindred/v1/types.ts';

/** One unary call: where to, and the encoded message. */
export interface UnaryRequest {
  readonly path: string;
  readonly message: Uint8Array;
}

/** A value that does not compress, so that no engine can cheat. */
export function randomValue(bytes: number): Uint8Array {
  return randomBytes(bytes);
}

export function kindredPut(
  key: string,
  value: Uint8Array,
  level: ConsistencyLevel,
  durability?: Durability,
): UnaryRequest {
  return {
    path: '/kindred.v1.KeyValueService/Put',
    message: PutRequest.encode(kindredPutMessage(key, value, level, durability)).finish(),
  };
}

export function kindredGet(key: string, level: ConsistencyLevel): UnaryRequest {
  return {
    path: '/kindred.v1.KeyValueService/Get',
    message: GetRequest.encode(kindredGetMessage(key, level)).finish(),
  };
}

/** `durability`: equal to etcd's unless it is given. */
export function kindredPutMessage(
  key: string,
  value: Uint8Array,
  level: ConsistencyLevel,
  durability: Durability = Durability.DURABILITY_SYNC_QUORUM,
): PutRequest {
  return {
    key: keyOf(key),
    value: Value.create({ data: value }),
    causality: undefined,
    expiry: undefined,
    options: WriteOptions.create({
      strength: { $case: 'consistency', value: level },
      durability,
    }),
  };
}

export function kindredGetMessage(key: string, level: ConsistencyLevel): GetRequest {
  return {
    key: keyOf(key),
    options: ReadOptions.create({ strength: { $case: 'consistency', value: level } }),
  };
}

function keyOf(key: string): Key {
  return Key.create({ key: new TextEncoder().encode(key) });
}

/** grpc.health.v1: both systems have it, and it does nothing but answer. */
export function healthCheck(): UnaryRequest {
  return { path: '/grpc.health.v1.Health/Check', message: new Uint8Array() };
}

// Fields of etcdserverpb.PutRequest, RangeRequest, TxnRequest and RequestOp, from etcd's rpc.proto.
const putKey = 1;
const putValue = 2;
const rangeKey = 1;
const rangeSerializable = 7;
const txnSuccess = 2;
const operationRange = 1;
const operationPut = 2;

export function etcdPut(key: string, value: Uint8Array): UnaryRequest {
  const writer = new BinaryWriter();
  writer.tag(putKey, 2).string(key);
  writer.tag(putValue, 2).bytes(value);
  return { path: '/etcdserverpb.KV/Put', message: writer.finish() };
}

/** `serializable`: the member answers from what it holds, without asking the leader. */
export function etcdGet(key: string, options: { readonly serializable: boolean }): UnaryRequest {
  const writer = new BinaryWriter();
  writer.tag(rangeKey, 2).string(key);
  if (options.serializable) writer.tag(rangeSerializable, 0).bool(true);
  return { path: '/etcdserverpb.KV/Range', message: writer.finish() };
}

/** `request`, a put or a range, as one operation of a Txn: the body of a Txn is nothing but these. */
export function etcdTxnOperation(request: UnaryRequest): UnaryRequest {
  const writer = new BinaryWriter();
  writer.tag(txnSuccess, 2).fork();
  writer.tag(request.path.endsWith('/Put') ? operationPut : operationRange, 2).bytes(request.message);
  writer.join();
  return { path: '/etcdserverpb.KV/Txn', message: writer.finish() };
}

const framePrefixBytes = 5;

/** The message as gRPC sends it: one byte for "not compressed", four for the length. */
export function grpcFrame(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(framePrefixBytes + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, framePrefixBytes);
  return frame;
}
