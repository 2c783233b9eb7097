package io.kindred.client;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;

/**
 * What all operations of a client share: where to send them, how long they may take, when they are
 * tried again.
 */
final class Engine {

  private final EndpointPool pool;
  private final RetryPolicy policy;
  private final Duration timeout;
  private final Executor executor;
  private final Optional<ExecutorService> ownedExecutor;
  private final ScheduledExecutorService timer;
  private final DirectRouting routing;
  private final boolean routesDirectly;

  Engine(
      EndpointPool pool,
      RetryPolicy policy,
      Duration timeout,
      Executor executor,
      Optional<ExecutorService> ownedExecutor,
      ScheduledExecutorService timer,
      boolean routesDirectly) {
    this.pool = pool;
    this.policy = policy;
    this.timeout = timeout;
    this.executor = executor;
    this.ownedExecutor = ownedExecutor;
    this.timer = timer;
    this.routesDirectly = routesDirectly;
    this.routing = new DirectRouting(this);
    if (routesDirectly) {
      // The bucket that most use is known soon; others are learned of when they are first named.
      routing.placement(Key.DEFAULT_BUCKET);
    }
  }

  EndpointPool pool() {
    return pool;
  }

  DirectRouting routing() {
    return routing;
  }

  Executor executor() {
    return executor;
  }

  Attempts newRead() {
    return Attempts.ofRead(policy, timeoutNow());
  }

  Attempts newWrite(RequestId requestId) {
    return Attempts.ofWrite(policy, timeoutNow(), requestId);
  }

  /** The timeout of the client, or less where the caller's gRPC context ends sooner. */
  private Duration timeoutNow() {
    Deadline deadline = Context.current().getDeadline();
    if (deadline == null) {
      return timeout;
    }
    Duration left = Duration.ofNanos(Math.max(0, deadline.timeRemaining(TimeUnit.NANOSECONDS)));
    return left.compareTo(timeout) < 0 ? left : timeout;
  }

  <Q, R, T> CompletableFuture<T> read(
      MethodDescriptor<Q, R> method, Q request, Optional<Key> key, Function<R, T> decode) {
    return new UnaryOperation<>(this, method, request, key, newRead(), decode).start();
  }

  <Q, R, T> CompletableFuture<T> write(
      MethodDescriptor<Q, R> method,
      Q request,
      Optional<Key> key,
      RequestId requestId,
      Function<R, T> decode) {
    return new UnaryOperation<>(this, method, request, key, newWrite(requestId), decode).start();
  }

  /**
   * Where to send an attempt.
   *
   * @param key the key it is for, if it is for one
   * @param last where the attempt before was sent; null: it is the first
   */
  Endpoint choose(Optional<Key> key, Endpoint last) {
    if (routesDirectly && key.isPresent() && last == null) {
      Optional<Endpoint> home = routing.home(key.get());
      if (home.isPresent()) {
        return home.get();
      }
    }
    return pool.next(last);
  }

  /** Takes note of the layout that a report names. */
  void observe(Key key, long topologyEpoch) {
    if (routesDirectly) {
      routing.observe(key.bucket(), topologyEpoch);
    }
  }

  /**
   * Runs a task later, or as soon as the context is cancelled: on the executor of the client, in
   * that context, once.
   *
   * @return false if the client is closed
   */
  boolean later(Duration wait, Context context, Runnable task) {
    AtomicBoolean begun = new AtomicBoolean();
    Context.CancellationListener[] listener = new Context.CancellationListener[1];
    Runnable once =
        () -> {
          if (begun.compareAndSet(false, true)) {
            context.removeListener(listener[0]);
            context.run(task);
          }
        };
    listener[0] = cancelled -> once.run();
    try {
      timer.schedule(() -> execute(once), wait.toNanos(), TimeUnit.NANOSECONDS);
    } catch (RejectedExecutionException closed) {
      return false;
    }
    context.addListener(listener[0], executor);
    return true;
  }

  /** Runs a task on the executor of the client. */
  void execute(Runnable task) {
    try {
      executor.execute(task);
    } catch (RejectedExecutionException closed) {
      // The client was closed meanwhile: the task finds that out, and tells who waits.
      task.run();
    }
  }

  ScheduledExecutorService timer() {
    return timer;
  }

  void close() {
    pool.close();
    // Not at once: operations that wait for their next attempt are told then.
    timer.shutdown();
    ownedExecutor.ifPresent(ExecutorService::shutdown);
  }
}
