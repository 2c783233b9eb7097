package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class AttemptsTest {

  private final RetryPolicy policy = new RetryPolicy(4, () -> 0.0);
  private final RequestId id = RequestId.random();

  private Attempts write() {
    return Attempts.ofWrite(policy, Duration.ofMinutes(1), id);
  }

  private static AttemptFailure refused(ErrorReason reason) {
    ErrorDetail detail =
        new ErrorDetail(
            reason,
            WriteOutcome.NOT_APPLIED,
            true,
            Optional.empty(),
            2,
            1,
            0,
            List.of(),
            1,
            Optional.empty(),
            "");
    return new AttemptFailure(
        Status.Code.UNAVAILABLE, "refused", Optional.of(detail), true, false, "a:1", null);
  }

  @Test
  void aWriteThatTheServerRefusedIsNotApplied() {
    Attempts attempts = write();
    attempts.begin();
    KindredException error = attempts.finallyFailed(refused(ErrorReason.NOT_ENOUGH_REPLICAS));
    assertEquals(WriteOutcome.NOT_APPLIED, error.outcome());
    assertEquals(ErrorReason.NOT_ENOUGH_REPLICAS, error.reason());
    assertEquals(Optional.of(id), error.requestId());
    assertEquals(1, error.attempts());
  }

  @Test
  void onceUnknownAlwaysUnknown() {
    Attempts attempts = write();
    attempts.begin();
    assertTrue(
        attempts.failed(RetryPolicyTest.failure(Status.Code.UNAVAILABLE, true, true)).isPresent());
    attempts.begin();
    KindredException error = attempts.finallyFailed(refused(ErrorReason.INVALID_REQUEST));
    assertEquals(WriteOutcome.UNKNOWN, error.outcome());
    assertEquals(2, error.attempts());
  }

  @Test
  void aWriteThatNeverLeftIsNotApplied() {
    Attempts attempts = write();
    attempts.begin();
    KindredException error =
        attempts.finallyFailed(RetryPolicyTest.failure(Status.Code.UNAVAILABLE, false, true));
    assertEquals(WriteOutcome.NOT_APPLIED, error.outcome());
    assertTrue(error.safeToRetry());
  }

  @Test
  void aCancelledWriteIsUnknownIfItWasSent() {
    assertEquals(WriteOutcome.UNKNOWN, write().cancelled(true, "a:1").outcome());
    assertEquals(WriteOutcome.NOT_APPLIED, write().cancelled(false, "a:1").outcome());
  }

  @Test
  void readsHaveNoOutcome() {
    Attempts attempts = Attempts.ofRead(policy, Duration.ofMinutes(1));
    attempts.begin();
    KindredException error =
        attempts.finallyFailed(RetryPolicyTest.failure(Status.Code.UNAVAILABLE, true, true));
    assertEquals(WriteOutcome.NONE, error.outcome());
    assertTrue(error.safeToRetry());
  }
}
