package io.kindred.client;

import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import io.kindred.v1.ConsistencyLevel;
import io.kindred.v1.DeleteResponse;
import io.kindred.v1.GetResponse;
import io.kindred.v1.GetWriteOutcomeResponse;
import io.kindred.v1.PutResponse;
import io.kindred.v1.TouchResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** Turns messages into the immutable values that callers see. */
final class Answers {

  private Answers() {}

  static GetResult get(GetResponse answer) {
    CausalContext context = CausalContext.of(answer.getContext());
    ReadReport report = readReport(answer.getReport());
    List<Version> versions = answer.getVersionsList().stream().map(Answers::version).toList();
    return switch (answer.getState()) {
      case STATE_FOUND -> new GetResult.Found(versions.get(0), context, report);
      case STATE_CONFLICT -> new GetResult.Conflict(versions, context, report);
      case STATE_ABSENT -> new GetResult.Absent(context, report);
      case STATE_UNSPECIFIED, UNRECOGNIZED ->
          throw new IllegalStateException(
              "the server answers a state that this client is too old for");
    };
  }

  static WriteResult put(PutResponse answer) {
    return new WriteResult(
        CausalContext.of(answer.getContext()),
        dot(answer.getDot()),
        answer.getVersionsHeld(),
        writeReport(answer.getReport()));
  }

  static WriteResult delete(DeleteResponse answer) {
    return new WriteResult(
        CausalContext.of(answer.getContext()),
        dot(answer.getDot()),
        answer.getVersionsHeld(),
        writeReport(answer.getReport()));
  }

  static TouchResult touch(TouchResponse answer) {
    return new TouchResult(
        answer.getApplied(),
        CausalContext.of(answer.getContext()),
        answer.hasReport() ? Optional.of(writeReport(answer.getReport())) : Optional.empty());
  }

  static WriteState writeState(GetWriteOutcomeResponse answer) {
    CausalContext context = CausalContext.of(answer.getContext());
    return switch (answer.getOutcome()) {
      case OUTCOME_APPLIED -> new WriteState.Applied(dot(answer.getDot()), context);
      case OUTCOME_NOT_SEEN -> new WriteState.NotSeen(context);
      case OUTCOME_UNSPECIFIED, UNRECOGNIZED ->
          throw new IllegalStateException(
              "the server answers an outcome that this client is too old for");
    };
  }

  static ErrorDetail detail(io.kindred.v1.ErrorDetail detail) {
    return new ErrorDetail(
        reason(detail.getReason()),
        switch (detail.getWriteOutcome()) {
          case WRITE_OUTCOME_UNSPECIFIED -> WriteOutcome.NONE;
          case WRITE_OUTCOME_NOT_APPLIED -> WriteOutcome.NOT_APPLIED;
          case WRITE_OUTCOME_UNKNOWN, UNRECOGNIZED -> WriteOutcome.UNKNOWN;
        },
        detail.getSafeToRetry(),
        detail.hasRetryAfter() ? Optional.of(duration(detail.getRetryAfter())) : Optional.empty(),
        detail.getRequired(),
        detail.getAlive(),
        detail.getAnswered(),
        detail.getFailuresList().stream()
            .map(failure -> new ReplicaFailure(failure.getNodeId(), reason(failure.getReason())))
            .toList(),
        detail.getTopologyEpoch(),
        context(detail.getContext()),
        detail.getField());
  }

  private static Version version(io.kindred.v1.Version version) {
    return new Version(
        version.hasValue() ? Optional.of(value(version.getValue())) : Optional.empty(),
        dot(version.getDot()),
        new VectorClock(version.getClock().getEntriesList().stream().map(Answers::dot).toList()),
        instant(version.getWrittenAt()),
        version.hasExpireTime() ? Optional.of(instant(version.getExpireTime())) : Optional.empty());
  }

  private static Value value(io.kindred.v1.Value value) {
    return new Value(Bytes.of(value.getData()), value.getContentType(), value.getMetadataMap());
  }

  private static Dot dot(io.kindred.v1.Dot dot) {
    return new Dot(dot.getReplica(), Integer.toUnsignedLong(dot.getEpoch()), dot.getCounter());
  }

  private static ReadReport readReport(io.kindred.v1.ReadReport report) {
    return new ReadReport(
        level(report.getAchieved()),
        report.getReplicasAsked(),
        report.getReplicasAnswered(),
        report.getReplicasAgreed(),
        report.getRepairStarted(),
        report.getCoordinator(),
        report.getTopologyEpoch());
  }

  private static WriteReport writeReport(io.kindred.v1.WriteReport report) {
    return new WriteReport(
        level(report.getAchieved()),
        report.getAcked(),
        report.getHinted(),
        report.getSynced(),
        report.getReplayed(),
        report.getCoordinator(),
        report.getTopologyEpoch());
  }

  private static Optional<Consistency> level(ConsistencyLevel level) {
    return switch (level) {
      case CONSISTENCY_LEVEL_ANY -> Optional.of(Consistency.ANY);
      case CONSISTENCY_LEVEL_ONE -> Optional.of(Consistency.ONE);
      case CONSISTENCY_LEVEL_TWO -> Optional.of(Consistency.TWO);
      case CONSISTENCY_LEVEL_THREE -> Optional.of(Consistency.THREE);
      case CONSISTENCY_LEVEL_QUORUM -> Optional.of(Consistency.QUORUM);
      case CONSISTENCY_LEVEL_ALL -> Optional.of(Consistency.ALL);
      case CONSISTENCY_LEVEL_LOCAL_ONE -> Optional.of(Consistency.LOCAL_ONE);
      case CONSISTENCY_LEVEL_LOCAL_QUORUM -> Optional.of(Consistency.LOCAL_QUORUM);
      case CONSISTENCY_LEVEL_EACH_QUORUM -> Optional.of(Consistency.EACH_QUORUM);
      case CONSISTENCY_LEVEL_UNSPECIFIED, UNRECOGNIZED -> Optional.empty();
    };
  }

  private static ErrorReason reason(io.kindred.v1.ErrorReason reason) {
    return switch (reason) {
      case ERROR_REASON_NOT_ENOUGH_REPLICAS -> ErrorReason.NOT_ENOUGH_REPLICAS;
      case ERROR_REASON_QUORUM_TIMEOUT -> ErrorReason.QUORUM_TIMEOUT;
      case ERROR_REASON_REPLICA_FAILURE -> ErrorReason.REPLICA_FAILURE;
      case ERROR_REASON_CONTEXT_NOT_REACHED -> ErrorReason.CONTEXT_NOT_REACHED;
      case ERROR_REASON_CONTEXT_INVALID -> ErrorReason.CONTEXT_INVALID;
      case ERROR_REASON_CONFLICT -> ErrorReason.CONFLICT;
      case ERROR_REASON_TOO_MANY_SIBLINGS -> ErrorReason.TOO_MANY_SIBLINGS;
      case ERROR_REASON_REQUEST_ID_REUSED -> ErrorReason.REQUEST_ID_REUSED;
      case ERROR_REASON_TOO_LARGE -> ErrorReason.TOO_LARGE;
      case ERROR_REASON_NODE_OVERLOADED -> ErrorReason.NODE_OVERLOADED;
      case ERROR_REASON_DISK_FULL -> ErrorReason.DISK_FULL;
      case ERROR_REASON_KEY_EXISTS -> ErrorReason.KEY_EXISTS;
      case ERROR_REASON_INVALID_REQUEST -> ErrorReason.INVALID_REQUEST;
      case ERROR_REASON_BUCKET_UNKNOWN -> ErrorReason.BUCKET_UNKNOWN;
      case ERROR_REASON_NODE_DRAINING -> ErrorReason.NODE_DRAINING;
      case ERROR_REASON_STORAGE_FAILED -> ErrorReason.STORAGE_FAILED;
      case ERROR_REASON_RETRY_UNSAFE -> ErrorReason.RETRY_UNSAFE;
      case ERROR_REASON_OPERATION_UNKNOWN -> ErrorReason.OPERATION_UNKNOWN;
      case ERROR_REASON_OPERATION_RUNNING -> ErrorReason.OPERATION_RUNNING;
      case ERROR_REASON_UNSPECIFIED, UNRECOGNIZED -> ErrorReason.UNSPECIFIED;
    };
  }

  private static Optional<CausalContext> context(ByteString token) {
    return token.isEmpty() ? Optional.empty() : Optional.of(CausalContext.of(token));
  }

  private static Duration duration(com.google.protobuf.Duration duration) {
    return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
  }

  private static Instant instant(Timestamp timestamp) {
    return Instant.ofEpochSecond(timestamp.getSeconds(), timestamp.getNanos());
  }
}
