package io.kindred.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.kindred.v1.ItemStatus;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
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
   * @param index the position of a response in the request
   * @param status the failure of an item, if it failed
   * @param decode the answer, if it did not
   */
  record Kind<Q, R, T>(
      MethodDescriptor<Q, R> method,
      Function<List<Integer>, Q> request,
      Function<R, Integer> index,
      Function<R, Optional<ItemStatus>> status,
      Function<R, T> decode) {}

  private final Engine engine;
  private final Kind<Q, R, T> kind;
  private final Attempts whole;
  private final List<Attempts> items;
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
      Attempts whole,
      List<Attempts> items,
      Consumer<? super BatchItem<T>> onItem) {
    this.engine = engine;
    this.kind = kind;
    this.whole = whole;
    this.items = items;
    this.onItem = onItem;
    this.done = new boolean[items.size()];
    this.failures = new AttemptFailure[items.size()];
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
    SentTracer tracer = new SentTracer();
    try {
      send(tracer);
    } catch (RuntimeException e) {
      String address = endpoint == null ? "" : endpoint.address();
      giveUp(AttemptFailure.ofThrown(e, tracer.sent(), address));
    }
  }

  private void send(SentTracer tracer) {
    endpoint = engine.choose(Optional.empty(), endpoint);
    asked = open();
    whole.begin();
    open().forEach(i -> items.get(i).begin());
    CallOptions options =
        CallOptions.DEFAULT
            .withDeadlineAfter(whole.remaining().toNanos(), TimeUnit.NANOSECONDS)
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
    AttemptFailure failure = AttemptFailure.ofCall(end, trailers, sent, endpoint.address());
    Optional<Duration> wait =
        status.isOk() || isAnythingAnswered() ? failItems(failure) : failAll(failure);
    if (result.isDone()) {
      return;
    }
    if (wait.isEmpty()) {
      result.complete(null);
    } else if (!engine.later(wait.get(), context, this::attemptAgain)) {
      giveUp(failure);
    }
  }

  /** There is no next attempt: whatever is open fails, each item as its own attempts say. */
  private void giveUp(AttemptFailure failure) {
    if (!anyDone) {
      result.completeExceptionally(whole.finallyFailed(failure));
      return;
    }
    for (int i : open()) {
      finish(i, new BatchItem.Failure<>(i, items.get(i).finallyFailed(failure)));
    }
    result.complete(null);
  }

  private boolean isAnythingAnswered() {
    return anyDone || Arrays.stream(failures).anyMatch(Objects::nonNull);
  }

  /**
   * The call failed before any item was answered: the batch is tried again, or fails, as a whole.
   */
  private Optional<Duration> failAll(AttemptFailure failure) {
    open().forEach(i -> items.get(i).failed(failure));
    Optional<Duration> wait = whole.failed(failure);
    if (wait.isEmpty()) {
      result.completeExceptionally(whole.exception(failure));
    }
    return wait;
  }

  /** Ends the items whose failure is final; how long to wait before the others are tried again. */
  private Optional<Duration> failItems(AttemptFailure unanswered) {
    Duration longest = null;
    for (int i : open()) {
      AttemptFailure failure = failures[i] == null ? unanswered : failures[i];
      failures[i] = null;
      whole.note(failure);
      Optional<Duration> wait = items.get(i).failed(failure);
      if (wait.isEmpty()) {
        finish(i, new BatchItem.Failure<>(i, items.get(i).exception(failure)));
      } else if (longest == null || longest.compareTo(wait.get()) < 0) {
        longest = wait.get();
      }
    }
    return Optional.ofNullable(longest);
  }

  private void cancelled(boolean sent) {
    result.completeExceptionally(whole.cancelled(sent || anyDone, endpoint.address()));
  }

  private void attemptAgain() {
    if (result.isDone()) {
      return;
    }
    if (context.isCancelled()) {
      cancelled(false);
      return;
    }
    attempt();
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
