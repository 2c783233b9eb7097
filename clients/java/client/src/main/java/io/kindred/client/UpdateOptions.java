package io.kindred.client;

import java.util.Optional;

/**
 * How an update reads, resolves and writes.
 *
 * @param resolver for versions that raced; empty: the one that the client has for the bucket, if
 *     any
 * @param read how to read; empty: at QUORUM
 * @param write how to write; empty: the default of the client
 * @param expiry when the new value expires; empty: as the bucket says
 * @param attemptsMax how often to begin again after a lost race, and to resolve, before giving up
 */
public record UpdateOptions(
    Optional<Resolver> resolver,
    Optional<ReadOptions> read,
    Optional<WriteOptions> write,
    Optional<Expiry> expiry,
    int attemptsMax) {

  private static final Optional<ConflictMode> PICK_LATEST = Optional.of(ConflictMode.PICK_LATEST);

  /** The resolver of the bucket, QUORUM, and ten attempts. */
  public static final UpdateOptions DEFAULT =
      new UpdateOptions(Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), 10);

  public UpdateOptions {
    // Checks that there is an attempt at all.
    if (attemptsMax < 1) {
      throw new IllegalArgumentException("attemptsMax is at least 1, not " + attemptsMax);
    }
    // And that the read shows all that the write supersedes.
    read.ifPresent(
        options -> {
          if (options.omitData() || options.onConflict().equals(PICK_LATEST)) {
            throw new IllegalArgumentException(
                "an update reads all versions with their data: neither PICK_LATEST nor omitData");
          }
        });
  }

  /**
   * Says how to resolve versions that raced.
   *
   * @param use in place of the resolver of the bucket
   * @return these options, but for that
   */
  public UpdateOptions withResolver(Resolver use) {
    return new UpdateOptions(Optional.of(use), read, write, expiry, attemptsMax);
  }

  /**
   * Says how to read.
   *
   * @param options in place of QUORUM; all versions, with their data
   * @return these options, but for that
   * @throws IllegalArgumentException if the options hide versions or data that the update would
   *     write over
   */
  public UpdateOptions withRead(ReadOptions options) {
    return new UpdateOptions(resolver, Optional.of(options), write, expiry, attemptsMax);
  }

  /**
   * Says how to write.
   *
   * @param options in place of the default of the client; a request id names the first write only
   * @return these options, but for that
   */
  public UpdateOptions withWrite(WriteOptions options) {
    return new UpdateOptions(resolver, read, Optional.of(options), expiry, attemptsMax);
  }

  /**
   * Says when the new value expires.
   *
   * @param time after a span, at a moment, or as what is superseded
   * @return these options, but for that
   */
  public UpdateOptions withExpiry(Expiry time) {
    return new UpdateOptions(resolver, read, write, Optional.of(time), attemptsMax);
  }

  /**
   * Bounds the attempts.
   *
   * @param number at least 1
   * @return these options, but for that
   */
  public UpdateOptions withAttemptsMax(int number) {
    return new UpdateOptions(resolver, read, write, expiry, number);
  }
}
