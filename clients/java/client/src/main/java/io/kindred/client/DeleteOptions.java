package io.kindred.client;

import java.util.Optional;

/**
 * What a delete supersedes, and how it is written.
 *
 * @param causality a context or a blind mode; empty: blind, as the bucket says
 * @param write how to write; empty: the default of the client
 */
public record DeleteOptions(Optional<Causality> causality, Optional<WriteOptions> write) {

  /** Everything as the bucket and the client say. */
  public static final DeleteOptions DEFAULT = new DeleteOptions(Optional.empty(), Optional.empty());

  /**
   * Says what the delete supersedes.
   *
   * @param superseded a context of the same key, or a blind mode
   * @return the options
   */
  public static DeleteOptions replacing(Causality superseded) {
    return DEFAULT.withCausality(superseded);
  }

  /**
   * Says what the delete supersedes.
   *
   * @param superseded a context of the same key, or a blind mode
   * @return these options, but for that
   */
  public DeleteOptions withCausality(Causality superseded) {
    return new DeleteOptions(Optional.of(superseded), write);
  }

  /**
   * Says how to write.
   *
   * @param options in place of the default of the client
   * @return these options, but for that
   */
  public DeleteOptions withWrite(WriteOptions options) {
    return new DeleteOptions(causality, Optional.of(options));
  }
}
