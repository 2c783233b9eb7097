package io.kindred.client;

/** Why the server refused or failed a call: finer than the gRPC code, and stable. */
public enum ErrorReason {
  /** The server gave none, or one that this version of the client does not know: go by the code. */
  UNSPECIFIED,
  /** Too few replicas are up for the level; known before anything was sent. */
  NOT_ENOUGH_REPLICAS,
  /** The replicas were asked, and too few answered in time. */
  QUORUM_TIMEOUT,
  /** So many replicas failed that the level cannot be met any more. */
  REPLICA_FAILURE,
  /** No replica that answered has what the context says was seen. */
  CONTEXT_NOT_REACHED,
  /** The context is damaged, too long, or of another key or cluster. */
  CONTEXT_INVALID,
  /** The key holds several versions, and the caller asked for one or touched them. */
  CONFLICT,
  /** The key holds as many siblings as its bucket allows. */
  TOO_MANY_SIBLINGS,
  /** The request id was used before, for another write. */
  REQUEST_ID_REUSED,
  /** Something exceeds its limit, which {@link ErrorDetail#field()} names. */
  TOO_LARGE,
  /** The node has as much work as it takes. */
  NODE_OVERLOADED,
  /** The disk of the node is full. */
  DISK_FULL,
  /** The key holds a value, and the write asked to be refused then. */
  KEY_EXISTS,
  /** Another argument is not allowed; {@link ErrorDetail#field()} names it. */
  INVALID_REQUEST,
  /** The configuration of the cluster has no such bucket. */
  BUCKET_UNKNOWN,
  /** The node is shutting down. */
  NODE_DRAINING,
  /** A disk operation failed, or what is stored is damaged. */
  STORAGE_FAILED,
  /** A proxy repeated a write that has no request id. */
  RETRY_UNSAFE,
  /** The node remembers no operation of this id. */
  OPERATION_UNKNOWN,
  /** An operation of this kind runs on the node already. */
  OPERATION_RUNNING
}
