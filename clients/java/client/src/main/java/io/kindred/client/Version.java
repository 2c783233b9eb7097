package io.kindred.client;

import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * One of the concurrent versions ("siblings") of a key.
 *
 * @param value what was put; empty if the key was deleted, or the value has expired
 * @param dot the name of the write that made this version
 * @param clock what its writer had seen, without this write
 * @param writtenAt when the coordinating replica made it, by its hybrid clock, to the microsecond;
 *     for people and for last-write-wins, it never orders versions of which one had seen the other
 * @param expireTime when the version stops being served; empty: never
 */
public record Version(
    Optional<Value> value,
    Dot dot,
    VectorClock clock,
    Instant writtenAt,
    Optional<Instant> expireTime) {

  public Version {
    // Checks that nothing is null.
    Objects.requireNonNull(value, "value");
    Objects.requireNonNull(dot, "dot");
    Objects.requireNonNull(clock, "clock");
    Objects.requireNonNull(writtenAt, "writtenAt");
    Objects.requireNonNull(expireTime, "expireTime");
  }

  /**
   * Tells whether this version holds no value.
   *
   * @return true for a deletion, and for a value that has expired
   */
  public boolean isDeletion() {
    return value.isEmpty();
  }
}
