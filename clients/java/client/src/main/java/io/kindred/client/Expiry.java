package io.kindred.client;

import java.time.Duration;
import java.time.Instant;
import java.util.Objects;

/** When a value expires. */
public sealed interface Expiry {

  /**
   * A span after the write.
   *
   * @param ttl by the clock of the coordinating node: more than zero, at most 100 years
   */
  record After(Duration ttl) implements Expiry {
    public After {
      // Checks that the span is longer than nothing.
      if (ttl.isNegative() || ttl.isZero()) {
        throw new IllegalArgumentException("a time to live is more than zero, not " + ttl);
      }
    }
  }

  /**
   * A moment.
   *
   * @param time from 1970 to 100 years ahead; once it is past, the key reads as absent
   */
  record At(Instant time) implements Expiry {
    public At {
      // Checks that the time is not null.
      Objects.requireNonNull(time, "time");
    }
  }

  /** As the value that a put supersedes; of several, the latest. For puts. */
  record Keep() implements Expiry {}

  /** Not at all. For touches. */
  record Never() implements Expiry {}

  /**
   * A span after the write.
   *
   * @param ttl more than zero, at most 100 years
   * @return the expiry
   */
  static Expiry after(Duration ttl) {
    return new After(ttl);
  }

  /**
   * A moment.
   *
   * @param time from 1970 to 100 years ahead
   * @return the expiry
   */
  static Expiry at(Instant time) {
    return new At(time);
  }

  /**
   * As the value that the put supersedes. A merge of siblings without it lives for ever, or as long
   * as the bucket says.
   *
   * @return the expiry
   */
  static Expiry keep() {
    return new Keep();
  }

  /**
   * Not at all.
   *
   * @return the expiry
   */
  static Expiry never() {
    return new Never();
  }
}
