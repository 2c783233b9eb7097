package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RetryPolicyTest {

  private static final Duration LONG = Duration.ofMinutes(1);
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

  /** The longest waits that the jitter allows. */
  private final RetryPolicy policy = new RetryPolicy(10, () -> 1.0);

  static AttemptFailure failure(ErrorReason reason, boolean safe, Optional<Duration> retryAfter) {
    ErrorDetail detail =
        new ErrorDetail(
            reason,
            WriteOutcome.UNKNOWN,
            safe,
            retryAfter,
            0,
            0,
            0,
            List.of(),
            0,
            Optional.empty(),
            "");
    return new AttemptFailure(
        Status.Code.ABORTED, "failed", Optional.of(detail), true, false, "a:1", null);
  }

  static AttemptFailure failure(Status.Code code, boolean sent, boolean broken) {
    return new AttemptFailure(code, "failed", Optional.empty(), sent, broken, "a:1", null);
  }

  private boolean retries(AttemptFailure failure) {
    return policy.nextAttempt(failure, true, 1, LONG).isPresent();
  }

  @ParameterizedTest
  @EnumSource(ErrorReason.class)
  void retriesTransientReasonsThatAreSafe(ErrorReason reason) {
    assertEquals(TRANSIENT.contains(reason), retries(failure(reason, true, Optional.empty())));
    assertFalse(retries(failure(reason, false, Optional.empty())));
  }

  @ParameterizedTest
  @EnumSource(Status.Code.class)
  void withoutADetailRetriesWhatTheConnectionDid(Status.Code code) {
    boolean always =
        EnumSet.of(Status.Code.UNAVAILABLE, Status.Code.CANCELLED, Status.Code.DEADLINE_EXCEEDED)
            .contains(code);
    boolean whenBroken = EnumSet.of(Status.Code.INTERNAL, Status.Code.UNKNOWN).contains(code);
    assertEquals(always, retries(failure(code, true, false)));
    assertEquals(always || whenBroken, retries(failure(code, true, true)));
  }

  @Test
  void sendsAWriteWithoutRequestIdAgainOnlyIfItNeverLeft() {
    AttemptFailure sent = failure(Status.Code.UNAVAILABLE, true, true);
    AttemptFailure unsent = failure(Status.Code.UNAVAILABLE, false, true);
    assertTrue(policy.nextAttempt(sent, false, 1, LONG).isEmpty());
    assertTrue(policy.nextAttempt(unsent, false, 1, LONG).isPresent());
  }

  @Test
  void waitsTwiceAsLongEachTimeUpToASecond() {
    AttemptFailure failure = failure(Status.Code.UNAVAILABLE, true, true);
    List<Long> waits =
        List.of(1, 2, 3, 4, 5, 6, 7, 8, 9).stream()
            .map(made -> policy.nextAttempt(failure, true, made, LONG).orElseThrow().toMillis())
            .toList();
    assertEquals(List.of(25L, 50L, 100L, 200L, 400L, 800L, 1_000L, 1_000L, 1_000L), waits);
  }

  @Test
  void jitterIsFull() {
    RetryPolicy impatient = new RetryPolicy(10, () -> 0.0);
    AttemptFailure failure = failure(Status.Code.UNAVAILABLE, true, true);
    assertEquals(Optional.of(Duration.ZERO), impatient.nextAttempt(failure, true, 5, LONG));
  }

  @Test
  void waitsAtLeastAsLongAsTheServerAsks() {
    RetryPolicy impatient = new RetryPolicy(10, () -> 0.0);
    AttemptFailure failure =
        failure(ErrorReason.NODE_OVERLOADED, true, Optional.of(Duration.ofMillis(300)));
    assertEquals(
        Optional.of(Duration.ofMillis(300)), impatient.nextAttempt(failure, true, 1, LONG));
  }

  @Test
  void givesUpWhenAttemptsOrTimeRunOut() {
    AttemptFailure failure = failure(Status.Code.UNAVAILABLE, true, true);
    assertTrue(policy.nextAttempt(failure, true, 9, LONG).isPresent());
    assertTrue(policy.nextAttempt(failure, true, 10, LONG).isEmpty());
    assertTrue(policy.nextAttempt(failure, true, 1, Duration.ofMillis(25)).isEmpty());
    assertTrue(policy.nextAttempt(failure, true, 1, Duration.ofMillis(26)).isPresent());
    assertTrue(policy.nextAttempt(failure, true, 1, Duration.ZERO).isEmpty());
  }
}
