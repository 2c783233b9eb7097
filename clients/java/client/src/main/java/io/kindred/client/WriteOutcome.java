package io.kindred.client;

/** What a failure means for the write that was asked for. */
public enum WriteOutcome {
  /** It was no write. */
  NONE,
  /** The write did not happen, and will never become visible. */
  NOT_APPLIED,
  /** The write may be there now, or appear later. */
  UNKNOWN
}
