package io.kindred.client;

/** What a replica must have done with a write before its acknowledgement counts. */
public enum Durability {
  /** It is in the replica's log, perhaps only in the memory of its operating system. */
  BUFFERED,
  /** At least one of the replicas that acknowledged has forced it to its disk. */
  SYNC_ONE,
  /** Each acknowledgement that counts came after an fsync. */
  SYNC_QUORUM
}
