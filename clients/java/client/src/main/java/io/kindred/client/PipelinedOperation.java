package io.kindred.client;

import io.grpc.Metadata;
import io.grpc.Status;
import io.kindred.v1.Operation;
import io.kindred.v1.OperationResult;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * One operation of a pipeline over all its attempts, and the future of its answer.
 *
 * @param <T> the answer
 */
final class PipelinedOperation<T> extends CompletableFuture<T> {

  private final Key key;
  private final Operation.Builder message;
  private final Attempts attempts;
  private final Function<OperationResult, T> decode;
  private final Consumer<PipelinedOperation<?>> onLeave;
  private final int bytes;
  private final AtomicBoolean left = new AtomicBoolean();
  private Endpoint endpoint;

  PipelinedOperation(
      Key key,
      Operation.Builder message,
      Attempts attempts,
      Function<OperationResult, T> decode,
      Consumer<PipelinedOperation<?>> onLeave) {
    this.key = key;
    this.message = message;
    this.bytes = message.build().getSerializedSize();
    this.attempts = attempts;
    this.decode = decode;
    this.onLeave = onLeave;
  }

  /** The size of its message, but for the few bytes that differ from attempt to attempt. */
  int bytes() {
    return bytes;
  }

  Key key() {
    return key;
  }

  /** Where it was sent last; null: nowhere yet. */
  synchronized Endpoint endpoint() {
    return endpoint;
  }

  synchronized void begin(Endpoint target) {
    endpoint = target;
    attempts.begin();
  }

  /** The message of this attempt, with the time that is left. */
  synchronized Operation message(long id) {
    Duration remaining = attempts.remaining();
    return message
        .setId(id)
        // The server refuses a timeout of nothing; one of a nanosecond ends as soon.
        .setTimeout(Requests.duration(remaining.isZero() ? Duration.ofNanos(1) : remaining))
        .build();
  }

  void answer(OperationResult result) {
    T answer;
    try {
      answer = decode.apply(result);
    } catch (RuntimeException e) {
      fail(e);
      return;
    }
    leave();
    complete(answer);
  }

  /** Notes that the attempt failed; how long to wait before the next. Fails if there is none. */
  Optional<Duration> failed(AttemptFailure failure) {
    return failed(failure, failure);
  }

  /**
   * Notes that the stream of the attempt ended; how long to wait before the next. Whatever ended it
   * was perhaps another operation: so it counts as a connection that broke.
   */
  Optional<Duration> streamEnded(AttemptFailure end) {
    return failed(end.ofStream(), end.asUnavailable());
  }

  private Optional<Duration> failed(AttemptFailure failure, AttemptFailure retriedAs) {
    if (isDone()) {
      leave();
      return Optional.empty();
    }
    Optional<Duration> wait;
    synchronized (this) {
      wait = attempts.failed(retriedAs);
    }
    if (wait.isEmpty()) {
      giveUp(failure);
    }
    return wait;
  }

  void giveUp(AttemptFailure failure) {
    KindredException error;
    synchronized (this) {
      error = attempts.finallyFailed(failure);
    }
    // Whoever waits for the answer goes on without the lock.
    fail(error);
  }

  /** Whether it has ended by other means than its answer, or should have. */
  boolean isOver(long nowNanos) {
    return isDone() || attempts.isExpired(nowNanos);
  }

  /** Ends what is over: the stream has had no answer, and tells of no failure. */
  void expire() {
    if (isDone()) {
      // The caller has completed the future, for example by orTimeout.
      leave();
      return;
    }
    KindredException error;
    synchronized (this) {
      error =
          attempts.finallyFailed(
              AttemptFailure.ofCall(
                  Status.DEADLINE_EXCEEDED.withDescription("no answer on the pipeline in time"),
                  new Metadata(),
                  true,
                  endpoint == null ? "" : endpoint.address()));
    }
    fail(error);
  }

  void fail(Throwable error) {
    leave();
    completeExceptionally(error);
  }

  @Override
  public boolean cancel(boolean mayInterruptIfRunning) {
    boolean cancelled = super.cancel(mayInterruptIfRunning);
    if (cancelled) {
      leave();
    }
    return cancelled;
  }

  /** Makes room for another operation, before those who wait for the answer ask for one. */
  private void leave() {
    if (left.compareAndSet(false, true)) {
      onLeave.accept(this);
    }
  }
}
