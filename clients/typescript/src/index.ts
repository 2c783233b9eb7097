export type * from './answer.ts';
export { Client, type ClientOptions } from './client.ts';
export { Context } from './context.ts';
export type { TlsOptions } from './endpoints.ts';
export {
  ConflictError,
  type ErrorDetail,
  type ErrorReason,
  KindredError,
  type ReplicaFailure,
  type StatusCode,
  type WriteOutcome,
} from './error.ts';
export type {
  BatchGetOptions,
  BatchWriteOptions,
  BlindWrite,
  CallOptions,
  Causality,
  ConflictMode,
  ConsistencyLevel,
  DeleteOptions,
  Durability,
  Expiry,
  GetOptions,
  Handoff,
  Key,
  PutOptions,
  ReadOptions,
  TouchOptions,
  WriteOptions,
} from './options.ts';
export { Value, type ValueAttributes, type ValueLike } from './value.ts';
export {
  compareDots,
  compareWritten,
  type DeletedVersion,
  type Dot,
  type ValueVersion,
  type Version,
} from './version.ts';
