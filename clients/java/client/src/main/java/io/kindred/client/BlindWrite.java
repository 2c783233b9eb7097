package io.kindred.client;

/** What a write without a context does to what the key holds already. */
public enum BlindWrite implements Causality {
  /** Supersede what the coordinating replica holds. Writes that truly raced still leave both. */
  OVERWRITE,
  /** Keep everything, and add one version. */
  ADD_SIBLING,
  /**
   * Refuse with {@link ErrorReason#KEY_EXISTS} if the coordinating replica holds a value. No lock:
   * writes that race may both pass and become siblings.
   */
  REJECT
}
