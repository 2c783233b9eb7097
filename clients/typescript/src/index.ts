export type {
  Absent,
  Conflict,
  Found,
  GetResult,
  ReadReport,
  TouchResult,
  WriteOutcomeResult,
  WriteReport,
  WriteResult,
} from './answer.ts';
export type { BatchKey, BatchResult, Mutation } from './batch.ts';
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
export type { Pipeline, PipelineOptions } from './pipeline.ts';
export { jsonSetUnion, lastWriter, type Resolver } from './resolver.ts';
export type { KeyPlacement } from './routing.ts';
export type {
  Session,
  SessionDeleteOptions,
  SessionGetOptions,
  SessionOptions,
  SessionPutOptions,
  SessionTouchOptions,
} from './session.ts';
export type { Node, NodeState, Topology } from './topology.ts';
export {
  type Change,
  deletion,
  type UpdateFunction,
  type UpdateOptions,
  type UpdateResult,
} from './update.ts';
export { Value, type ValueAttributes, type ValueLike } from './value.ts';
export {
  compareDots,
  compareWritten,
  type DeletedVersion,
  type Dot,
  type ValueVersion,
  type Version,
} from './version.ts';
