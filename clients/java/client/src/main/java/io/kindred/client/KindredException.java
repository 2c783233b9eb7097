package io.kindred.client;

import io.grpc.Status;
import java.util.Optional;

/**
 * An operation failed. Says which class of failure it is ({@link #code()}), which one exactly
 * ({@link #reason()}), and what became of the write ({@link #outcome()}), which is never guessed.
 *
 * <p>What is worth repeating has been repeated already when this is thrown: it tells of the last
 * attempt.
 */
public class KindredException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  private final Status.Code code;
  private final WriteOutcome outcome;
  private final int attempts;
  private final String endpoint;
  private final transient Optional<ErrorDetail> detail;
  private final transient Optional<RequestId> requestId;

  KindredException(
      String message,
      Status.Code code,
      WriteOutcome outcome,
      Optional<ErrorDetail> detail,
      Optional<RequestId> requestId,
      int attempts,
      String endpoint,
      Throwable cause) {
    super(message, cause);
    this.code = code;
    this.outcome = outcome;
    this.detail = detail;
    this.requestId = requestId;
    this.attempts = attempts;
    this.endpoint = endpoint;
  }

  /**
   * The class of failure.
   *
   * @return the gRPC code
   */
  public Status.Code code() {
    return code;
  }

  /**
   * What became of the write, over all its attempts: once one of them may have been applied, that a
   * later one was not does not help.
   *
   * @return {@link WriteOutcome#NONE} for reads
   */
  public WriteOutcome outcome() {
    return outcome;
  }

  /**
   * Why the last attempt failed.
   *
   * @return {@link ErrorReason#UNSPECIFIED} where the server gave no reason
   */
  public ErrorReason reason() {
    return detail().map(ErrorDetail::reason).orElse(ErrorReason.UNSPECIFIED);
  }

  /**
   * What the server knew about the failure of the last attempt.
   *
   * @return empty if the failure is of the connection, or of this client
   */
  public Optional<ErrorDetail> detail() {
    // A transient field is null in an exception that was serialized.
    return detail == null ? Optional.empty() : detail;
  }

  /**
   * The name of the write that failed, also where the client drew it: with it the write can be
   * repeated, or {@linkplain KindredClient#writeOutcome asked after}.
   *
   * @return empty for reads
   */
  public Optional<RequestId> requestId() {
    return requestId == null ? Optional.empty() : requestId;
  }

  /**
   * Whether the same operation, with {@link #requestId()} if it is a write, may be tried again
   * without a second effect.
   *
   * @return what the server says; where it says nothing, true unless it is a write of unknown
   *     outcome that has no request id
   */
  public boolean safeToRetry() {
    return detail()
        .map(ErrorDetail::safeToRetry)
        .orElse(outcome != WriteOutcome.UNKNOWN || requestId().isPresent());
  }

  /**
   * How often the operation was tried.
   *
   * @return 0 if it was never begun
   */
  public int attempts() {
    return attempts;
  }

  /**
   * Where the last attempt was sent.
   *
   * @return {@code host:port}; empty if there was no attempt
   */
  public String endpoint() {
    return endpoint;
  }
}
