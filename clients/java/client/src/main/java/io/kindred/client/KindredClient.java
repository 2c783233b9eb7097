package io.kindred.client;

import java.util.List;
import java.util.function.Consumer;

/**
 * The client of a Kindred cluster, whose operations wait for their answers.
 *
 * <pre>{@code
 * try (KindredClient client =
 *     KindredClient.builder().endpoints("127.0.0.1:7400", "127.0.0.1:7401").build()) {
 *   Key cart = Key.of("default", "cart");
 *   client.put(cart, Value.of("milk"));
 *   GetResult result = client.get(cart);
 * }
 * }</pre>
 *
 * <p>Operations fail with a {@link KindredException}, which says what became of a write. What is
 * safe to repeat and worth it has been repeated by then. Interrupting a thread that waits cancels
 * its operation, which then fails with the code CANCELLED; the thread stays interrupted.
 *
 * <p>Safe for use by many threads. One client for a cluster is enough.
 */
public final class KindredClient implements AutoCloseable {

  private final KindredAsyncClient async;

  KindredClient(KindredAsyncClient async) {
    this.async = async;
  }

  /**
   * Begins to set up a client.
   *
   * @return a builder, for blocking and for asynchronous clients
   */
  public static KindredClientBuilder builder() {
    return new KindredClientBuilder();
  }

  /**
   * The asynchronous view of this client.
   *
   * @return a client that shares the connections; closing either closes both
   */
  public KindredAsyncClient async() {
    return async;
  }

  /**
   * Reads a key, as the client reads by default.
   *
   * @param key which
   * @return its state
   * @throws KindredException if it fails
   */
  public GetResult get(Key key) {
    return Blocking.call(() -> async.get(key));
  }

  /**
   * Reads a key.
   *
   * @param key which
   * @param options how, in place of the default of the client
   * @return its state
   * @throws KindredException if it fails
   */
  public GetResult get(Key key, ReadOptions options) {
    return Blocking.call(() -> async.get(key, options));
  }

  /**
   * Stores a value blindly, as the bucket says.
   *
   * @param key where
   * @param value what
   * @return the name of the write, and the context for the next
   * @throws KindredException if it fails
   */
  public WriteResult put(Key key, Value value) {
    return Blocking.call(() -> async.put(key, value));
  }

  /**
   * Stores a value.
   *
   * @param key where
   * @param value what
   * @param superseded what it supersedes: the context of an answer, or a blind mode
   * @return the name of the write, and the context for the next
   * @throws KindredException if it fails
   */
  public WriteResult put(Key key, Value value, Causality superseded) {
    return Blocking.call(() -> async.put(key, value, superseded));
  }

  /**
   * Stores a value.
   *
   * @param key where
   * @param value what
   * @param options what it supersedes, when it expires, how it is written
   * @return the name of the write, and the context for the next
   * @throws KindredException if it fails
   */
  public WriteResult put(Key key, Value value, PutOptions options) {
    return Blocking.call(() -> async.put(key, value, options));
  }

  /**
   * Deletes a key blindly, as the bucket says.
   *
   * @param key which
   * @return the name of the deletion, and the context for the next write
   * @throws KindredException if it fails
   */
  public WriteResult delete(Key key) {
    return Blocking.call(() -> async.delete(key));
  }

  /**
   * Deletes a key.
   *
   * @param key which
   * @param superseded what the delete supersedes: the context of an answer, or a blind mode
   * @return the name of the deletion, and the context for the next write
   * @throws KindredException if it fails
   */
  public WriteResult delete(Key key, Causality superseded) {
    return Blocking.call(() -> async.delete(key, superseded));
  }

  /**
   * Deletes a key. A value that raced the delete survives it.
   *
   * @param key which
   * @param options what it supersedes, how it is written
   * @return the name of the deletion, and the context for the next write
   * @throws KindredException if it fails
   */
  public WriteResult delete(Key key, DeleteOptions options) {
    return Blocking.call(() -> async.delete(key, options));
  }

  /**
   * Changes when a key expires, and nothing else.
   *
   * @param key which
   * @param expiry after a span, at a moment, or never
   * @return whether there was a value
   * @throws KindredException if it fails
   */
  public TouchResult touch(Key key, Expiry expiry) {
    return Blocking.call(() -> async.touch(key, expiry));
  }

  /**
   * Changes when a key expires, and nothing else.
   *
   * @param key which; one that holds several versions is refused with {@link ErrorReason#CONFLICT}
   * @param expiry after a span, at a moment, or never
   * @param options what it applies to, how it is written
   * @return whether there was a value
   * @throws KindredException if it fails
   */
  public TouchResult touch(Key key, Expiry expiry, TouchOptions options) {
    return Blocking.call(() -> async.touch(key, expiry, options));
  }

  /**
   * Asks what became of a write, after a lost reply.
   *
   * @param key the key that the write was for
   * @param requestId the name of the write, for example {@link KindredException#requestId()}
   * @return whether it was seen
   * @throws KindredException if it fails
   */
  public WriteState writeOutcome(Key key, RequestId requestId) {
    return Blocking.call(() -> async.writeOutcome(key, requestId));
  }

  /**
   * Asks what became of a write, after a lost reply.
   *
   * @param key the key that the write was for
   * @param requestId the name of the write
   * @param options how many replicas to ask; only that matters here
   * @return whether it was seen
   * @throws KindredException if it fails
   */
  public WriteState writeOutcome(Key key, RequestId requestId, ReadOptions options) {
    return Blocking.call(() -> async.writeOutcome(key, requestId, options));
  }

  /**
   * Reads many keys, as the client reads by default.
   *
   * @param keys at most 1,000
   * @return one item for each key, in their order
   * @throws KindredException if it fails
   */
  public List<BatchItem<GetResult>> batchGet(List<Key> keys) {
    return Blocking.call(() -> async.batchGet(keys));
  }

  /**
   * Reads many keys.
   *
   * @param keys at most 1,000
   * @param options how; a minimal context belongs to one key, and is not allowed
   * @return one item for each key, in their order
   * @throws KindredException if it fails
   */
  public List<BatchItem<GetResult>> batchGet(List<Key> keys, ReadOptions options) {
    return Blocking.call(() -> async.batchGet(keys, options));
  }

  /**
   * Reads many keys, and tells of each as it comes.
   *
   * @param keys at most 1,000
   * @param options how; a minimal context belongs to one key, and is not allowed
   * @param onItem called once for each key, in any order, by one thread at a time
   * @throws KindredException if the batch as a whole was refused
   */
  public void batchGet(
      List<Key> keys, ReadOptions options, Consumer<? super BatchItem<GetResult>> onItem) {
    Blocking.call(() -> async.batchGet(keys, options, onItem));
  }

  /**
   * Writes many keys, as the client writes by default.
   *
   * @param mutations at most 1,000, and 4 MiB in all; independent of each other, in no order
   * @return one item for each mutation, in their order
   * @throws KindredException if it fails
   */
  public List<BatchItem<WriteResult>> batchWrite(List<Mutation> mutations) {
    return Blocking.call(() -> async.batchWrite(mutations));
  }

  /**
   * Writes many keys.
   *
   * @param mutations at most 1,000, and 4 MiB in all; independent of each other, in no order
   * @param options how, for mutations that do not say; a request id covers the whole batch
   * @return one item for each mutation, in their order
   * @throws KindredException if it fails
   */
  public List<BatchItem<WriteResult>> batchWrite(List<Mutation> mutations, WriteOptions options) {
    return Blocking.call(() -> async.batchWrite(mutations, options));
  }

  /**
   * Writes many keys, and tells of each as it comes.
   *
   * @param mutations at most 1,000, and 4 MiB in all; independent of each other, in no order
   * @param options how, for mutations that do not say; a request id covers the whole batch
   * @param onItem called once for each mutation, in any order, by one thread at a time
   * @throws KindredException if the batch as a whole was refused
   */
  public void batchWrite(
      List<Mutation> mutations,
      WriteOptions options,
      Consumer<? super BatchItem<WriteResult>> onItem) {
    Blocking.call(() -> async.batchWrite(mutations, options, onItem));
  }

  /**
   * Changes a key: reads it, resolves versions that raced, and writes what the step makes of that.
   *
   * @param key which
   * @param step makes the new value; may be called again, but only if its write was not applied
   * @return what the key holds then
   * @throws KindredException if it fails
   */
  public UpdateResult update(Key key, Update.Step step) {
    return Blocking.call(() -> async.update(key, step));
  }

  /**
   * Changes a key: reads it, resolves versions that raced, and writes what the step makes of that.
   * A write that races in spite of this is resolved as well, if there is a resolver.
   *
   * @param key which
   * @param step makes the new value; may be called again, but only if its write was not applied
   * @param options how to read, resolve and write
   * @return what the key holds then
   * @throws ConflictException if versions raced that nobody resolves, or others wrote faster each
   *     time
   * @throws KindredException if it fails
   */
  public UpdateResult update(Key key, Update.Step step, UpdateOptions options) {
    return Blocking.call(() -> async.update(key, step, options));
  }

  /**
   * Computes where a key lives, from the table of homes that direct routing uses.
   *
   * @param key which; it need not exist
   * @return its place on the ring, and its homes
   * @throws KindredException if it fails
   */
  public KeyLocation locate(Key key) {
    return Blocking.call(() -> async.locate(key));
  }

  /**
   * Begins a session, which reads its own writes and never goes back, at any level.
   *
   * @return a session that remembers 10,000 keys
   */
  public KindredSession session() {
    return async.session().blocking();
  }

  /**
   * Begins a session, which reads its own writes and never goes back, at any level.
   *
   * @param keysMax how many keys it remembers
   * @return a session
   */
  public KindredSession session(int keysMax) {
    return async.session(keysMax).blocking();
  }

  /**
   * Opens a pipeline, the fast path for many operations. It answers with futures.
   *
   * @return a pipeline of 1,024 operations in flight
   */
  public KindredPipeline pipeline() {
    return async.pipeline();
  }

  /**
   * Opens a pipeline, the fast path for many operations. It answers with futures.
   *
   * @param inFlightMax how many operations may be under way; whoever asks for more waits
   * @return a pipeline
   */
  public KindredPipeline pipeline(int inFlightMax) {
    return async.pipeline(inFlightMax);
  }

  /** Closes all connections. What is under way fails; close pipelines first. */
  @Override
  public void close() {
    async.close();
  }
}
