package io.kindred.client;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * What the server knows about a failure.
 *
 * @param reason why the call failed
 * @param writeOutcome what became of the write in this attempt; {@link WriteOutcome#NONE} for reads
 * @param safeToRetry whether the very same message may be sent again without a second effect
 * @param retryAfter how long to wait before that
 * @param required how many replicas the level needs; 0: does not apply
 * @param alive how many replicas of the key were up
 * @param answered how many replicas had answered
 * @param failures the replicas that failed, and why
 * @param topologyEpoch the version of the layout that the coordinator used; 0: does not apply
 * @param context what is stored, for a put that resolves; with TOO_MANY_SIBLINGS, CONFLICT and
 *     KEY_EXISTS
 * @param field the path of the argument that was not accepted, for example {@code key.key}; else
 *     empty
 */
public record ErrorDetail(
    ErrorReason reason,
    WriteOutcome writeOutcome,
    boolean safeToRetry,
    Optional<Duration> retryAfter,
    int required,
    int alive,
    int answered,
    List<ReplicaFailure> failures,
    long topologyEpoch,
    Optional<CausalContext> context,
    String field) {

  public ErrorDetail {
    // Copies the list.
    failures = List.copyOf(failures);
  }
}
