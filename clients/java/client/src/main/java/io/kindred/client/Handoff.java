package io.kindred.client;

/** Whether a write counts nodes that stand in for replicas that are away. */
public enum Handoff {
  /** Only replicas count: what a reader at QUORUM relies on. */
  STRICT,
  /** A hint that another node has stored durably counts as well (Dynamo's sloppy quorum). */
  SLOPPY
}
