package io.kindred.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import io.kindred.v1.ItemStatus;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.RejectedExecutionException;

/**
 * How one attempt failed: a call, or an item of a batch or a pipeline.
 *
 * @param code the gRPC code
 * @param message for people
 * @param detail what the server said; empty if the failure is of the connection or of gRPC
 * @param sent whether the request may have left this process
 * @param broken whether the connection broke under the attempt
 * @param endpoint where it was sent
 * @param cause the exception of gRPC, or null for an item
 */
record AttemptFailure(
    Status.Code code,
    String message,
    Optional<ErrorDetail> detail,
    boolean sent,
    boolean broken,
    String endpoint,
    Throwable cause) {

  static AttemptFailure ofCall(Status status, Metadata trailers, boolean sent, String endpoint) {
    return new AttemptFailure(
        status.getCode(),
        Optional.ofNullable(status.getDescription()).orElse(status.getCode().name()),
        detail(status, trailers),
        sent,
        isConnectionBroken(status),
        endpoint,
        status.asRuntimeException(trailers));
  }

  static AttemptFailure ofItem(ItemStatus status, String endpoint) {
    return new AttemptFailure(
        Status.fromCodeValue(status.getCode()).getCode(),
        status.getMessage(),
        status.hasDetail() ? Optional.of(Answers.detail(status.getDetail())) : Optional.empty(),
        true,
        false,
        endpoint,
        null);
  }

  /** What the client itself refuses to send. */
  static AttemptFailure ofTooLarge(String message) {
    ErrorDetail detail =
        new ErrorDetail(
            ErrorReason.TOO_LARGE,
            WriteOutcome.NOT_APPLIED,
            true,
            Optional.empty(),
            0,
            0,
            0,
            List.of(),
            0,
            Optional.empty(),
            "");
    return new AttemptFailure(
        Status.Code.INVALID_ARGUMENT, message, Optional.of(detail), false, false, "", null);
  }

  /**
   * The same for an operation whose stream ended: what was said of the stream says nothing of it.
   */
  AttemptFailure ofStream() {
    return new AttemptFailure(code, message, Optional.empty(), sent, broken, endpoint, cause);
  }

  /** The same as a broken connection is told of. */
  AttemptFailure asUnavailable() {
    return new AttemptFailure(
        Status.Code.UNAVAILABLE, message, Optional.empty(), sent, true, endpoint, cause);
  }

  /** The attempt could not be made, or not to its end: as a rule because the client is closed. */
  static AttemptFailure ofThrown(RuntimeException thrown, boolean sent, String endpoint) {
    Status status =
        thrown instanceof RejectedExecutionException
            ? Status.UNAVAILABLE.withDescription("the client is closed").withCause(thrown)
            : Status.fromThrowable(thrown);
    if (status.getDescription() == null) {
      status = status.withDescription(thrown.toString());
    }
    return ofCall(status, new Metadata(), sent, endpoint);
  }

  /** What this attempt, taken alone, means for a write. */
  WriteOutcome writeOutcome() {
    if (detail.isPresent()) {
      // A detail that does not say what became of a write leaves it open.
      return detail.get().writeOutcome() == WriteOutcome.NOT_APPLIED
          ? WriteOutcome.NOT_APPLIED
          : WriteOutcome.UNKNOWN;
    }
    return sent ? WriteOutcome.UNKNOWN : WriteOutcome.NOT_APPLIED;
  }

  private static Optional<ErrorDetail> detail(Status status, Metadata trailers) {
    com.google.rpc.Status packed =
        StatusProto.fromStatusAndTrailers(status, trailers == null ? new Metadata() : trailers);
    for (Any any : packed.getDetailsList()) {
      if (any.is(io.kindred.v1.ErrorDetail.class)) {
        try {
          return Optional.of(Answers.detail(any.unpack(io.kindred.v1.ErrorDetail.class)));
        } catch (InvalidProtocolBufferException damaged) {
          // Told apart from no detail by nothing: the outcome is unknown either way.
          return Optional.empty();
        }
      }
    }
    return Optional.empty();
  }

  /** gRPC says so in its words only: there is no code for it. */
  private static boolean isConnectionBroken(Status status) {
    String words = Optional.ofNullable(status.getDescription()).orElse("");
    return status.getCause() instanceof IOException
        || words.contains("RST_STREAM")
        || words.contains("GOAWAY")
        || words.contains("Connection")
        || words.contains("EOS");
  }
}
