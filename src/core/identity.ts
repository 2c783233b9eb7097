/** Names of things that must never be mistaken for one another. */

declare const brand: unique symbol;

/** The configured name of a node: `[a-z0-9-]{1,63}`. It may get a new disk, and then a new replica id. */
export type NodeId = string & { readonly [brand]: 'NodeId' };

/**
 * A data store's random id, a positive integer below 2^53, made with the store and kept inside it. A node whose data
 * directory is emptied, restored or replaced gets a new one, because it can no longer prove what it acknowledged.
 */
export type ReplicaId = number & { readonly [brand]: 'ReplicaId' };

/** Index of one of the Q equal cuts of the ring. */
export type PartitionId = number & { readonly [brand]: 'PartitionId' };

export function nodeId(text: string): NodeId {
  return text as NodeId;
}

export function replicaId(value: number): ReplicaId {
  return value as ReplicaId;
}

export function partitionId(index: number): PartitionId {
  return index as PartitionId;
}
