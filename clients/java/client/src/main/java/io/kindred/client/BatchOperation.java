package io.kindred.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.kindred.v1.ItemStatus;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * A batch over all its attempts. Each item succeeds or fails alone; an attempt asks again for those
 * that are worth it, and what is final is told at once.
 *
 * @param <Q> the request
 * @param <R> one response of the stream, for one item
 * @param <T> what the caller gets for an item
 */
final class BatchOperation<Q, R, T> {

  /**
   * How one kind of batch is asked and answered.
   *
   * @param <Q> the request
   * @param <R> one response of the stream
   * @param <T> what the caller gets for an item
   * @param method the method of the service
   * @param request makes the request of an attempt, of the positions of the items that are open
   * @param asksForAll whether a request always has all items, because their positions matter
   * @param index the position of a response in the request
   * @param status the failure of an item, if it failed
   * @param decode the answer, if it did not
   */
  record Kind<Q, R, T>(
      MethodDescriptor<Q, R> method,
      Function<List<Integer>, Q> request,
      boolean asksForAll,
      Function<R, Integer> index,
      Function<R, Optional<ItemStatus>> status,
      Function<R, T> decode) {}

  private final Engine engine;
  private final Kind<Q, R, T> kind;
  private final List<Attempts> attempts;
  private final Consumer<? super BatchItem<T>> onItem;
  private final Context context = Context.current();
  private final CompletableFuture<Void> result = new CompletableFuture<>();
  private final boolean[] done;

  /** How each item failed in the present attempt. */
  private final AttemptFailure[] failures;

  private boolean anyDone;
  private List<Integer> asked = List.of();
  private Endpoint endpoint;
  private volatile ClientCall<Q, R> call;

  BatchOperation(
      Engine engine,
      Kind<Q, R, T> kind,
      List<Attempts> attempts,
      Consumer<? super BatchItem<T>> onItem) {
    this.engine = engine;
    this.kind = kind;
    this.attempts = attempts;
    this.onItem = onItem;
    this.done = new boolean[attempts.size()];
    this.failures = new AttemptFailure[attempts.size()];
  }

  CompletableFuture<Void> start() {
    result.whenComplete(
        (nothing, error) -> {
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

  private List<Integer> open() {
    return IntStream.range(0, done.length).filter(i -> !done[i]).boxed().toList();
  }

  private void attempt() {
    endpoint = engine.choose(Optional.empty(), endpoint);
    asked = kind.asksForAll() ? IntStream.range(0, done.length).boxed().toList() : open();
    open().forEach(i -> attempts.get(i).begin());
    SentTracer tracer = new SentTracer();
    // All items began together, so that any of them knows how much time is left.
    long remaining = attempts.isEmpty() ? 1 : attempts.get(0).remaining().toNanos();
    CallOptions options =
        CallOptions.DEFAULT
            .withDeadlineAfter(remaining, TimeUnit.NANOSECONDS)
            .withStreamTracerFactory(tracer.factory());
    ClientCall<Q, R> next = endpoint.channel().newCall(kind.method(), options);
    next.start(new Answers(next, tracer), new Metadata());
    call = next;
    if (result.isDone()) {
      cancelCall();
      return;
    }
    next.request(64);
    next.sendMessage(kind.request().apply(asked));
    next.halfClose();
  }

  private void received(R response) {
    int position = kind.index().apply(response);
    if (position < 0 || position >= asked.size()) {
      return;
    }
    int index = asked.get(position);
    if (done[index]) {
      return;
    }
    Optional<ItemStatus> status = kind.status().apply(response);
    if (status.isPresent()) {
      failures[index] = AttemptFailure.ofItem(status.get(), endpoint.address());
    } else {
      failures[index] = null;
      finish(index, new BatchItem.Success<>(index, kind.decode().apply(response)));
    }
  }

  private void finish(int index, BatchItem<T> item) {
    done[index] = true;
    anyDone = true;
    onItem.accept(item);
  }

  private void ended(Status status, Metadata trailers, boolean sent) {
    if (result.isDone()) {
      return;
    }
    if (context.isCancelled() && status.getCode() == Status.Code.CANCELLED) {
      cancelled(sent);
      return;
    }
    Status end =
        status.isOk() ? Status.INTERNAL.withDescription("the server left an item out") : status;
    AttemptFailure unanswered = AttemptFailure.ofCall(end, trailers, sent, endpoint.address());
    boolean wholeFailed =
        !anyDone && IntStream.range(0, failures.length).allMatch(i -> failures[i] == null);
    Duration longest = null;
    for (int i : open()) {
      AttemptFailure failure = failures[i] == null ? unanswered : failures[i];
      Optional<Duration> wait = attempts.get(i).failed(failure);
      if (wait.isPresent()) {
        longest = longest == null || longest.compareTo(wait.get()) < 0 ? wait.get() : longest;
      } else if (wholeFailed) {
        result.completeExceptionally(attempts.get(i).exception(failure));
        return;
      } else {
        finish(i, new BatchItem.Failure<>(i, attempts.get(i).exception(failure)));
      }
      failures[i] = null;
    }
    if (longest == null) {
      result.complete(null);
    } else if (!engine.later(longest, context, this::attemptAgain)) {
      cancelled(false);
    }
  }

  private void cancelled(boolean sent) {
    result.completeExceptionally(
        attempts.isEmpty()
            ? engine.newRead().cancelled(sent, endpoint.address())
            : attempts.get(0).cancelled(sent || anyDone, endpoint.address()));
  }

  private void attemptAgain() {
    if (result.isDone()) {
      return;
    }
    if (context.isCancelled()) {
      cancelled(false);
      return;
    }
    try {
      attempt();
    } catch (RuntimeException e) {
      result.completeExceptionally(e);
    }
  }

  /** The stream of one attempt. */
  private final class Answers extends ClientCall.Listener<R> {
    private final ClientCall<Q, R> stream;
    private final SentTracer tracer;

    Answers(ClientCall<Q, R> stream, SentTracer tracer) {
      this.stream = stream;
      this.tracer = tracer;
    }

    @Override
    public void onMessage(R response) {
      try {
        received(response);
      } catch (RuntimeException e) {
        result.completeExceptionally(e);
        stream.cancel("the caller failed to take an item", e);
        return;
      }
      stream.request(1);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      ended(status, trailers, tracer.sent());
    }
  }
}
