package io.kindred.client;

import io.grpc.Context;
import io.kindred.client.GetResult.Conflict;
import io.kindred.client.GetResult.Found;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;

/**
 * Read, resolve, write with the context; and again while others write in between, up to a bound.
 *
 * <p>The caller's function runs again only if its write was certainly not applied. If the write was
 * applied and raced, what raced is resolved without it.
 */
final class UpdateOperation {

  /** Refusals that mean: somebody else wrote first. */
  private static final Set<ErrorReason> LOST_RACE =
      Set.of(
          ErrorReason.TOO_MANY_SIBLINGS,
          ErrorReason.CONFLICT,
          ErrorReason.KEY_EXISTS,
          ErrorReason.CONTEXT_NOT_REACHED);

  private final KindredAsyncClient client;
  private final Key key;
  private final Update.Step step;
  private final UpdateOptions options;
  private final Optional<Resolver> resolver;
  private final Optional<CausalContext> seen;
  private final Context context = Context.current();
  private final CompletableFuture<UpdateResult> result = new CompletableFuture<>();

  /** The read or write that is under way: cancelled together with the update. */
  private volatile CompletableFuture<?> current = CompletableFuture.completedFuture(null);

  private int begun;
  private int resolved;

  /**
   * Prepares.
   *
   * @param seen what the first read must include, in a session
   */
  UpdateOperation(
      KindredAsyncClient client,
      Key key,
      Update.Step step,
      UpdateOptions options,
      Optional<Resolver> resolver,
      Optional<CausalContext> seen) {
    this.client = client;
    this.key = key;
    this.step = step;
    this.options = options;
    this.resolver = resolver;
    this.seen = seen;
  }

  CompletableFuture<UpdateResult> start() {
    result.whenComplete(
        (answer, error) -> {
          if (result.isCancelled()) {
            current.cancel(true);
          }
        });
    read();
    return result;
  }

  private void read() {
    begun++;
    run(() -> client.get(key, readOptions(seen)), this::modify, this::fail);
  }

  private void modify(GetResult state) {
    Optional<Value> value;
    if (state instanceof Found found) {
      value = Optional.of(found.value());
    } else if (state instanceof Conflict conflict) {
      if (resolver.isEmpty()) {
        fail(
            conflict(
                "the key holds "
                    + conflict.versions().size()
                    + " versions, and there is no resolver",
                false,
                conflict.versions(),
                conflict.context(),
                null));
        return;
      }
      value = resolver.get().resolve(conflict.versions());
    } else {
      value = Optional.empty();
    }
    Update update = step.apply(value);
    if (update instanceof Update.Keep) {
      result.complete(
          new UpdateResult(value, state.context(), Math.max(1, state.versions().size())));
      return;
    }
    Optional<Value> next =
        update instanceof Update.Put put ? Optional.of(put.value()) : Optional.empty();
    WriteOptions write = options.write().orElse(client.defaultWrite());
    run(
        () ->
            store(next, state.context(), options.expiry(), begun == 1 ? write : write.anonymous()),
        written -> written(next, written),
        error -> refused(error, state));
  }

  /** The write of the caller's function failed. */
  private void refused(KindredException error, GetResult state) {
    boolean lost =
        error.outcome() == WriteOutcome.NOT_APPLIED && LOST_RACE.contains(error.reason());
    if (!lost) {
      fail(error);
    } else if (begun < options.attemptsMax()) {
      read();
    } else {
      fail(
          conflict(
              "others wrote first, " + begun + " times",
              false,
              state.versions(),
              error.detail().flatMap(ErrorDetail::context).orElse(state.context()),
              error));
    }
  }

  private void written(Optional<Value> value, WriteResult written) {
    if (written.raced() && resolver.isPresent()) {
      settle(written.context());
    } else {
      result.complete(new UpdateResult(value, written.context(), written.versionsHeld()));
    }
  }

  /** The write is applied, and raced: makes one version of what there is now. */
  private void settle(CausalContext written) {
    run(
        () -> client.get(key, readOptions(Optional.of(written))),
        state -> {
          if (!(state instanceof Conflict conflict)) {
            Optional<Value> value = state.versions().stream().findFirst().flatMap(Version::value);
            result.complete(new UpdateResult(value, state.context(), 1));
          } else if (resolved >= options.attemptsMax()) {
            fail(
                conflict(
                    "the write is applied, but others wrote while it was resolved, "
                        + resolved
                        + " times",
                    true,
                    conflict.versions(),
                    conflict.context(),
                    null));
          } else {
            resolve(conflict);
          }
        },
        error -> unsettled(error, List.of(), written));
  }

  private void resolve(Conflict conflict) {
    resolved++;
    Optional<Value> value;
    try {
      value = resolver.orElseThrow().resolve(conflict.versions());
    } catch (RuntimeException thrown) {
      unsettled(thrown, conflict.versions(), conflict.context());
      return;
    }
    WriteOptions write = options.write().orElse(client.defaultWrite()).anonymous();
    run(
        // What was written says when it expires: to resolve it must not make it live longer.
        () -> store(value, conflict.context(), Optional.of(Expiry.keep()), write),
        written -> written(value, written),
        error -> {
          if (LOST_RACE.contains(error.reason())) {
            settle(conflict.context());
          } else {
            unsettled(error, conflict.versions(), conflict.context());
          }
        });
  }

  private void unsettled(Throwable error, List<Version> versions, CausalContext seenLast) {
    fail(
        conflict(
            "the write is applied, but not resolved: " + error.getMessage(),
            true,
            versions,
            seenLast,
            error));
  }

  private CompletableFuture<WriteResult> store(
      Optional<Value> value, CausalContext context, Optional<Expiry> expiry, WriteOptions write) {
    if (value.isEmpty()) {
      return client.delete(key, DeleteOptions.replacing(context).withWrite(write));
    }
    PutOptions put = PutOptions.replacing(context).withWrite(write);
    return client.put(key, value.get(), expiry.map(put::withExpiry).orElse(put));
  }

  private ReadOptions readOptions(Optional<CausalContext> minimum) {
    ReadOptions read = options.read().orElse(ReadOptions.at(Consistency.QUORUM));
    return minimum.map(least -> read.toBuilder().minContext(least).build()).orElse(read);
  }

  private ConflictException conflict(
      String message,
      boolean applied,
      List<Version> versions,
      CausalContext context,
      Throwable cause) {
    Optional<KindredException> failure =
        cause instanceof KindredException known ? Optional.of(known) : Optional.empty();
    return new ConflictException(
        key + ": " + message,
        applied,
        applied ? WriteOutcome.NONE : WriteOutcome.NOT_APPLIED,
        versions,
        context,
        failure.flatMap(KindredException::detail),
        begun + resolved,
        failure.map(KindredException::endpoint).orElse(""),
        cause);
  }

  /** Runs one read or write in the context of the caller, and goes on with what comes of it. */
  private <T> void run(
      Callable<CompletableFuture<T>> operation,
      Consumer<T> then,
      Consumer<KindredException> otherwise) {
    if (result.isDone()) {
      return;
    }
    try {
      CompletableFuture<T> future = context.call(operation);
      current = future;
      if (result.isCancelled()) {
        future.cancel(true);
      }
      future.whenComplete(
          (answer, error) -> {
            try {
              if (error == null) {
                then.accept(answer);
              } else if (cause(error) instanceof KindredException known) {
                otherwise.accept(known);
              } else {
                fail(cause(error));
              }
            } catch (RuntimeException | Error thrown) {
              // By the resolver or the function of the caller.
              fail(thrown);
            }
          });
    } catch (Exception thrown) {
      fail(thrown);
    }
  }

  private void fail(Throwable error) {
    result.completeExceptionally(error);
  }

  private static Throwable cause(Throwable error) {
    return error instanceof CompletionException && error.getCause() != null
        ? error.getCause()
        : error;
  }
}
