package io.kindred.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * One operation with one answer, over all its attempts. Each attempt goes to the next endpoint,
 * with the same request and the time that is left.
 *
 * @param <Q> the request
 * @param <R> the response
 * @param <T> what the caller gets
 */
final class UnaryOperation<Q, R, T> {

  private final Engine engine;
  private final MethodDescriptor<Q, R> method;
  private final Q request;
  private final Optional<Key> key;
  private final Attempts attempts;
  private final Function<R, T> decode;
  private final Context context = Context.current();
  private final CompletableFuture<T> result = new CompletableFuture<>();
  private Endpoint endpoint;
  private volatile ClientCall<Q, R> call;

  UnaryOperation(
      Engine engine,
      MethodDescriptor<Q, R> method,
      Q request,
      Optional<Key> key,
      Attempts attempts,
      Function<R, T> decode) {
    this.engine = engine;
    this.method = method;
    this.request = request;
    this.key = key;
    this.attempts = attempts;
    this.decode = decode;
  }

  CompletableFuture<T> start() {
    result.whenComplete(
        (answer, error) -> {
          if (result.isCancelled()) {
            cancelCall();
          }
        });
    attempt();
    return result;
  }

  private void cancelCall() {
    ClientCall<Q, R> running = call;
    if (running != null) {
      running.cancel("cancelled by the caller", null);
    }
  }

  private void attempt() {
    SentTracer tracer = new SentTracer();
    try {
      send(tracer);
    } catch (RuntimeException e) {
      String address = endpoint == null ? "" : endpoint.address();
      result.completeExceptionally(
          attempts.finallyFailed(AttemptFailure.ofThrown(e, tracer.sent(), address)));
    }
  }

  private void send(SentTracer tracer) {
    endpoint = engine.choose(key, endpoint);
    attempts.begin();
    CallOptions options =
        CallOptions.DEFAULT
            .withDeadlineAfter(attempts.remaining().toNanos(), TimeUnit.NANOSECONDS)
            .withStreamTracerFactory(tracer.factory());
    ClientCall<Q, R> next = endpoint.channel().newCall(method, options);
    next.start(new Answer(tracer), new Metadata());
    call = next;
    if (result.isDone()) {
      // Cancelled between two attempts, or before the call was known.
      cancelCall();
      return;
    }
    next.request(2);
    next.sendMessage(request);
    next.halfClose();
  }

  private void failed(Status status, Metadata trailers, boolean sent) {
    if (context.isCancelled() && status.getCode() == Status.Code.CANCELLED) {
      result.completeExceptionally(attempts.cancelled(sent, endpoint.address()));
      return;
    }
    AttemptFailure failure = AttemptFailure.ofCall(status, trailers, sent, endpoint.address());
    Optional<Duration> wait = attempts.failed(failure);
    if (result.isDone()) {
      return;
    }
    if (wait.isEmpty() || !engine.later(wait.get(), context, this::attemptAgain)) {
      result.completeExceptionally(attempts.exception(failure));
    }
  }

  private void attemptAgain() {
    if (result.isDone()) {
      return;
    }
    if (context.isCancelled()) {
      result.completeExceptionally(attempts.cancelled(false, endpoint.address()));
      return;
    }
    attempt();
  }

  /** The answer to one attempt. */
  private final class Answer extends ClientCall.Listener<R> {
    private final SentTracer tracer;
    private R message;

    Answer(SentTracer tracer) {
      this.tracer = tracer;
    }

    @Override
    public void onMessage(R received) {
      message = received;
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      if (!status.isOk()) {
        failed(status, trailers, tracer.sent());
      } else if (message == null) {
        failed(Status.INTERNAL.withDescription("an answer without a message"), trailers, true);
      } else {
        succeeded(message);
      }
    }

    private void succeeded(R answer) {
      T decoded;
      try {
        decoded = decode.apply(answer);
      } catch (RuntimeException e) {
        result.completeExceptionally(
            attempts.finallyFailed(
                AttemptFailure.ofCall(
                    Status.INTERNAL.withDescription(e.getMessage()).withCause(e),
                    new Metadata(),
                    true,
                    endpoint.address())));
        return;
      }
      result.complete(decoded);
    }
  }
}
