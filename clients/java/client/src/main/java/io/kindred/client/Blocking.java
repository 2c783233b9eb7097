package io.kindred.client;

import io.grpc.Context;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;

/** Waits for what the asynchronous core does. All that the blocking classes add to it. */
final class Blocking {

  private Blocking() {}

  /**
   * Begins an operation and waits for it. Interrupting the thread cancels the operation, which then
   * fails with CANCELLED and says what became of the write; the thread stays interrupted.
   */
  static <T> T call(Supplier<CompletableFuture<T>> operation) {
    Context.CancellableContext context = Context.current().withCancellation();
    boolean interrupted = false;
    try {
      CompletableFuture<T> future = begin(context, operation);
      while (true) {
        try {
          return future.get();
        } catch (InterruptedException e) {
          interrupted = true;
          context.cancel(e);
        }
      }
    } catch (ExecutionException e) {
      throw thrownHere(e.getCause());
    } finally {
      context.cancel(null);
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static <T> CompletableFuture<T> begin(
      Context context, Supplier<CompletableFuture<T>> operation) {
    Context previous = context.attach();
    try {
      return operation.get();
    } finally {
      context.detach(previous);
    }
  }

  /** The trace of the thread that asked says more than that of the one that was answered. */
  private static RuntimeException thrownHere(Throwable error) {
    if (error instanceof Error serious) {
      throw serious;
    }
    if (error instanceof KindredException failure) {
      failure.fillInStackTrace();
      return failure;
    }
    return error instanceof RuntimeException other ? other : new IllegalStateException(error);
  }
}
