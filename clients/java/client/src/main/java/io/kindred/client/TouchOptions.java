package io.kindred.client;

import java.util.Optional;

/**
 * What a touch applies to, and how it is written.
 *
 * @param context touch only what it covers; empty: what is stored
 * @param write how to write; empty: the default of the client
 */
public record TouchOptions(Optional<CausalContext> context, Optional<WriteOptions> write) {

  /** What is stored, as the client says. */
  public static final TouchOptions DEFAULT = new TouchOptions(Optional.empty(), Optional.empty());

  /**
   * Limits the touch to what was seen.
   *
   * @param seen a context of the same key
   * @return these options, but for that
   */
  public TouchOptions withContext(CausalContext seen) {
    return new TouchOptions(Optional.of(seen), write);
  }

  /**
   * Says how to write.
   *
   * @param options in place of the default of the client
   * @return these options, but for that
   */
  public TouchOptions withWrite(WriteOptions options) {
    return new TouchOptions(context, Optional.of(options));
  }
}
