package io.kindred.client;

import java.util.Optional;

/**
 * What a put supersedes, when the value expires, and how it is written.
 *
 * @param causality a context or a blind mode; empty: blind, as the bucket says
 * @param expiry when the value expires: {@link Expiry.After}, {@link Expiry.At} or {@link
 *     Expiry.Keep}; empty: as the bucket says
 * @param write how to write; empty: the default of the client
 */
public record PutOptions(
    Optional<Causality> causality, Optional<Expiry> expiry, Optional<WriteOptions> write) {

  /** Everything as the bucket and the client say. */
  public static final PutOptions DEFAULT =
      new PutOptions(Optional.empty(), Optional.empty(), Optional.empty());

  public PutOptions {
    // Checks that the expiry is one that a put can have.
    if (expiry.isPresent() && expiry.get() instanceof Expiry.Never) {
      throw new IllegalArgumentException(
          "a put has no expiry Never: leave it out, or touch the key");
    }
  }

  /**
   * Says what the put supersedes.
   *
   * @param superseded a context of the same key, or a blind mode
   * @return the options
   */
  public static PutOptions replacing(Causality superseded) {
    return DEFAULT.withCausality(superseded);
  }

  /**
   * Says what the put supersedes.
   *
   * @param superseded a context of the same key, or a blind mode
   * @return these options, but for that
   */
  public PutOptions withCausality(Causality superseded) {
    return new PutOptions(Optional.of(superseded), expiry, write);
  }

  /**
   * Says when the value expires.
   *
   * @param time after a span, at a moment, or as what is superseded
   * @return these options, but for that
   */
  public PutOptions withExpiry(Expiry time) {
    return new PutOptions(causality, Optional.of(time), write);
  }

  /**
   * Says how to write.
   *
   * @param options in place of the default of the client
   * @return these options, but for that
   */
  public PutOptions withWrite(WriteOptions options) {
    return new PutOptions(causality, expiry, Optional.of(options));
  }
}
