package io.kindred.client;

import io.grpc.Status;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.DoubleSupplier;

/**
 * Which failures are worth another attempt, and how long to wait before it: exponential back-off
 * with full jitter, and never sooner than the server asks for.
 *
 * @param attemptsMax how many attempts an operation gets, the first one included
 * @param random from 0 to 1
 */
record RetryPolicy(int attemptsMax, DoubleSupplier random) {

  private static final Duration BACKOFF_FIRST = Duration.ofMillis(25);
  private static final Duration BACKOFF_MAX = Duration.ofSeconds(1);

  private static final Set<ErrorReason> TRANSIENT =
      EnumSet.of(
          ErrorReason.NOT_ENOUGH_REPLICAS,
          ErrorReason.QUORUM_TIMEOUT,
          ErrorReason.REPLICA_FAILURE,
          ErrorReason.CONTEXT_NOT_REACHED,
          ErrorReason.NODE_OVERLOADED,
          ErrorReason.DISK_FULL,
          ErrorReason.NODE_DRAINING,
          ErrorReason.STORAGE_FAILED,
          ErrorReason.RETRY_UNSAFE);

  /**
   * Decides.
   *
   * @param failure how the last attempt failed
   * @param repeatable whether the request may be sent again: a read, or a write with a request id
   * @param attemptsMade how many there were
   * @param remaining how much time the operation has left
   * @return how long to wait before the next attempt; empty: there is none
   */
  Optional<Duration> nextAttempt(
      AttemptFailure failure, boolean repeatable, int attemptsMade, Duration remaining) {
    if (attemptsMade >= attemptsMax || !isTransient(failure, repeatable)) {
      return Optional.empty();
    }
    Duration wait = backoff(attemptsMade);
    Duration asked = failure.detail().flatMap(ErrorDetail::retryAfter).orElse(Duration.ZERO);
    wait = wait.compareTo(asked) < 0 ? asked : wait;
    return wait.compareTo(remaining) < 0 ? Optional.of(wait) : Optional.empty();
  }

  private static boolean isTransient(AttemptFailure failure, boolean repeatable) {
    if (failure.detail().isPresent()) {
      ErrorDetail detail = failure.detail().get();
      return detail.safeToRetry() && TRANSIENT.contains(detail.reason());
    }
    if (!repeatable && failure.sent()) {
      return false;
    }
    Status.Code code = failure.code();
    return switch (code) {
      // The client made it itself, or a proxy did. That the caller did not cancel is known here.
      case UNAVAILABLE, CANCELLED -> true;
      case INTERNAL, UNKNOWN -> failure.broken();
      // Of no use unless time is left, which the wait is compared with.
      case DEADLINE_EXCEEDED -> true;
      default -> false;
    };
  }

  private Duration backoff(int attemptsMade) {
    // 2^6 x 25 ms is beyond the maximum already; a larger shift would overflow one day.
    Duration most = BACKOFF_FIRST.multipliedBy(1L << Math.min(attemptsMade - 1, 6));
    most = most.compareTo(BACKOFF_MAX) < 0 ? most : BACKOFF_MAX;
    return Duration.ofNanos((long) (random.getAsDouble() * most.toNanos()));
  }
}
