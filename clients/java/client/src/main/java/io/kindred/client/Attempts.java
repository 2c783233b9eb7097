package io.kindred.client;

import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;

/**
 * What one logical operation has come to over its attempts. Once an attempt may have been applied
 * the operation may have been, whatever the attempts after it say.
 *
 * <p>Not thread-safe: attempts follow one another.
 */
final class Attempts {

  private final RetryPolicy policy;
  private final boolean write;
  private final boolean repeatable;
  private final Optional<RequestId> requestId;
  private final long deadlineNanos;
  private int made;
  private boolean maybeApplied;

  private Attempts(
      RetryPolicy policy,
      boolean write,
      boolean repeatable,
      Optional<RequestId> requestId,
      long deadlineNanos) {
    this.policy = policy;
    this.write = write;
    this.repeatable = repeatable;
    this.requestId = requestId;
    this.deadlineNanos = deadlineNanos;
  }

  static Attempts ofRead(RetryPolicy policy, Duration timeout) {
    return new Attempts(policy, false, true, Optional.empty(), deadline(timeout));
  }

  static Attempts ofWrite(RetryPolicy policy, Duration timeout, RequestId requestId) {
    return new Attempts(policy, true, true, Optional.of(requestId), deadline(timeout));
  }

  private static long deadline(Duration timeout) {
    return System.nanoTime() + timeout.toNanos();
  }

  Duration remaining() {
    return Duration.ofNanos(Math.max(0, deadlineNanos - System.nanoTime()));
  }

  boolean isExpired(long nowNanos) {
    return nowNanos - deadlineNanos >= 0;
  }

  boolean isWrite() {
    return write;
  }

  void begin() {
    made++;
  }

  /** Notes that the attempt failed, and says how long to wait before the next; empty: give up. */
  Optional<Duration> failed(AttemptFailure failure) {
    note(failure);
    return policy.nextAttempt(failure, repeatable, made, remaining());
  }

  /** Notes that the attempt failed, and that it was the last. */
  KindredException finallyFailed(AttemptFailure failure) {
    note(failure);
    return exception(failure);
  }

  /** Notes what an attempt may have done, without a word on the next. */
  void note(AttemptFailure failure) {
    maybeApplied |= write && failure.writeOutcome() == WriteOutcome.UNKNOWN;
  }

  KindredException exception(AttemptFailure failure) {
    return new KindredException(
        describe(failure),
        failure.code(),
        outcome(),
        failure.detail(),
        requestId,
        made,
        failure.endpoint(),
        failure.cause());
  }

  /** The caller gave up. */
  KindredException cancelled(boolean maybeSent, String endpoint) {
    maybeApplied |= write && maybeSent;
    return new KindredException(
        "cancelled by the caller",
        Status.Code.CANCELLED,
        outcome(),
        Optional.empty(),
        requestId,
        made,
        endpoint,
        null);
  }

  private WriteOutcome outcome() {
    if (!write) {
      return WriteOutcome.NONE;
    }
    return maybeApplied ? WriteOutcome.UNKNOWN : WriteOutcome.NOT_APPLIED;
  }

  private String describe(AttemptFailure failure) {
    StringBuilder text = new StringBuilder(failure.message()).append(" [").append(failure.code());
    failure.detail().ifPresent(detail -> text.append(", ").append(detail.reason()));
    if (write) {
      text.append(", outcome ").append(outcome());
    }
    text.append("; ").append(failure.endpoint());
    if (made > 1) {
      text.append(", attempt ").append(made);
    }
    return text.append(']').toString();
  }
}
