package io.kindred.client;

/** What a read does when the key holds several versions. */
public enum ConflictMode {
  /** Answer every sibling. */
  RETURN_ALL,
  /**
   * Answer the one written last. The context still covers all, so a put with it supersedes also
   * those that were not shown.
   */
  PICK_LATEST,
  /** Fail with {@link ErrorReason#CONFLICT}, and the context in the error. */
  FAIL
}
