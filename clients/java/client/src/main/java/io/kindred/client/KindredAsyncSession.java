package io.kindred.client;

import io.grpc.Context;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/**
 * Operations that follow one another: each reads at least what the one before on the same key saw
 * or wrote, at any level and through any node, and each write supersedes what the session has seen
 * of its key. Operations on one key run in the order in which they were asked for.
 *
 * <p>A session remembers the contexts of the keys that it used last. What it says of a key that it
 * has forgotten is as of one that it never saw: a read may be stale, and a write is blind.
 *
 * <p>Safe for use by many threads.
 */
public final class KindredAsyncSession {

  static final int DEFAULT_KEYS_MAX = 10_000;

  private final KindredAsyncClient client;
  private final Map<Key, CausalContext> contexts;

  /** The last operation of each key that has one under way. */
  private final Map<Key, CompletableFuture<?>> tails = new HashMap<>();

  KindredAsyncSession(KindredAsyncClient client, int keysMax) {
    if (keysMax < 1) {
      throw new IllegalArgumentException("a session remembers at least 1 key, not " + keysMax);
    }
    this.client = client;
    this.contexts = new LeastRecentlyUsed(keysMax);
  }

  /**
   * The blocking view of this session.
   *
   * @return a session that shares what is remembered
   */
  public KindredSession blocking() {
    return new KindredSession(this);
  }

  /**
   * Reads a key.
   *
   * @param key which
   * @return its state, which is never older than what the session knows
   */
  public CompletableFuture<GetResult> get(Key key) {
    return get(key, client.defaultRead());
  }

  /**
   * Reads a key.
   *
   * @param key which
   * @param options how; the minimal context is that of the session if it has one
   * @return its state, which is never older than what the session knows
   */
  public CompletableFuture<GetResult> get(Key key, ReadOptions options) {
    return inOrder(
        key,
        seen ->
            client.get(
                key,
                seen.map(least -> options.toBuilder().minContext(least).build()).orElse(options)),
        GetResult::context);
  }

  /**
   * Stores a value in place of what the session has seen of the key, or blindly if it has not.
   *
   * @param key where
   * @param value what
   * @return the name of the write
   */
  public CompletableFuture<WriteResult> put(Key key, Value value) {
    return put(key, value, PutOptions.DEFAULT);
  }

  /**
   * Stores a value in place of what the session has seen of the key, or blindly if it has not.
   *
   * @param key where
   * @param value what
   * @param options when it expires, how it is written; without a causality, which is the session's
   * @return the name of the write
   */
  public CompletableFuture<WriteResult> put(Key key, Value value, PutOptions options) {
    refuse(options.causality());
    return inOrder(
        key,
        seen -> client.put(key, value, seen.map(options::withCausality).orElse(options)),
        WriteResult::context);
  }

  /**
   * Deletes what the session has seen of the key, or blindly if it has not.
   *
   * @param key which
   * @return the name of the deletion
   */
  public CompletableFuture<WriteResult> delete(Key key) {
    return delete(key, DeleteOptions.DEFAULT);
  }

  /**
   * Deletes what the session has seen of the key, or blindly if it has not.
   *
   * @param key which
   * @param options how it is written; without a causality, which is the session's
   * @return the name of the deletion
   */
  public CompletableFuture<WriteResult> delete(Key key, DeleteOptions options) {
    refuse(options.causality());
    return inOrder(
        key,
        seen -> client.delete(key, seen.map(options::withCausality).orElse(options)),
        WriteResult::context);
  }

  /**
   * Changes a key, as {@link KindredAsyncClient#update(Key, Update.Step)} does.
   *
   * @param key which
   * @param step makes the new value
   * @return what the key holds then
   */
  public CompletableFuture<UpdateResult> update(Key key, Update.Step step) {
    return update(key, step, UpdateOptions.DEFAULT);
  }

  /**
   * Changes a key, as {@link KindredAsyncClient#update(Key, Update.Step, UpdateOptions)} does.
   *
   * @param key which
   * @param step makes the new value
   * @param options how to read, resolve and write
   * @return what the key holds then
   */
  public CompletableFuture<UpdateResult> update(Key key, Update.Step step, UpdateOptions options) {
    return inOrder(key, seen -> client.update(key, step, options, seen), UpdateResult::context);
  }

  private static void refuse(Optional<Causality> causality) {
    if (causality.isPresent()) {
      throw new IllegalArgumentException("a session says itself what its writes supersede");
    }
  }

  /**
   * Runs an operation after those before it on the same key, and remembers the context it brings.
   */
  private <T> CompletableFuture<T> inOrder(
      Key key,
      Function<Optional<CausalContext>, CompletableFuture<T>> operation,
      Function<T, CausalContext> context) {
    Turn<T> turn = new Turn<>(key, operation, context);
    CompletableFuture<?> before;
    synchronized (tails) {
      before = tails.put(key, turn.done);
    }
    if (before == null) {
      turn.run();
    } else {
      before.whenComplete((answer, error) -> turn.caller.run(turn::run));
    }
    return turn.result;
  }

  /** One operation of the session. */
  private final class Turn<T> {
    private final Key key;
    private final Function<Optional<CausalContext>, CompletableFuture<T>> operation;
    private final Function<T, CausalContext> context;
    private final Context caller = Context.current();

    /** For the caller, who may cancel it. */
    private final CompletableFuture<T> result = new CompletableFuture<>();

    /** For the next operation on the key, which waits also for one that was cancelled. */
    private final CompletableFuture<Void> done = new CompletableFuture<>();

    Turn(
        Key key,
        Function<Optional<CausalContext>, CompletableFuture<T>> operation,
        Function<T, CausalContext> context) {
      this.key = key;
      this.operation = operation;
      this.context = context;
    }

    void run() {
      if (result.isDone()) {
        end();
        return;
      }
      CompletableFuture<T> running;
      try {
        running = operation.apply(remembered());
      } catch (RuntimeException e) {
        end();
        result.completeExceptionally(e);
        return;
      }
      result.whenComplete(
          (answer, error) -> {
            if (result.isCancelled()) {
              running.cancel(true);
            }
          });
      running.whenComplete(
          (answer, error) -> {
            if (error == null) {
              remember(context.apply(answer));
            } else if (error instanceof ConflictException conflict && conflict.applied()) {
              // The session has written all the same, and reads that.
              remember(conflict.context());
            }
            end();
            if (error == null) {
              result.complete(answer);
            } else {
              result.completeExceptionally(error);
            }
          });
    }

    private Optional<CausalContext> remembered() {
      synchronized (contexts) {
        return Optional.ofNullable(contexts.get(key));
      }
    }

    private void remember(CausalContext seen) {
      synchronized (contexts) {
        contexts.put(key, seen);
      }
    }

    private void end() {
      synchronized (tails) {
        tails.remove(key, done);
      }
      done.complete(null);
    }
  }

  private static final class LeastRecentlyUsed extends LinkedHashMap<Key, CausalContext> {
    private static final long serialVersionUID = 1L;
    private final int keysMax;

    LeastRecentlyUsed(int keysMax) {
      super(16, 0.75f, true);
      this.keysMax = keysMax;
    }

    @Override
    protected boolean removeEldestEntry(Map.Entry<Key, CausalContext> eldest) {
      return size() > keysMax;
    }
  }
}
