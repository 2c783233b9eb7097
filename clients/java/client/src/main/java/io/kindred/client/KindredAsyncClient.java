package io.kindred.client;

import io.kindred.v1.BatchGetRequest;
import io.kindred.v1.BatchGetResponse;
import io.kindred.v1.BatchWriteRequest;
import io.kindred.v1.BatchWriteResponse;
import io.kindred.v1.GetWriteOutcomeRequest;
import io.kindred.v1.KeyValueServiceGrpc;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The client whose operations answer with futures.
 *
 * <p>A future fails with a {@link KindredException}. Cancelling it ends the call; a write that is
 * cancelled may have been applied, unless it was not sent yet. Operations also end with the {@link
 * io.grpc.Context} in which they were begun, and at its deadline.
 *
 * <p>Futures are completed on the executor of the client. What depends on them should not block
 * there; use the {@code Async} methods of {@link CompletableFuture} with an executor of your own.
 *
 * <p>Instances are made by {@link KindredClient#builder()}, and safe for use by many threads.
 */
public final class KindredAsyncClient implements AutoCloseable {

  private final Engine engine;
  private final ReadOptions defaultRead;
  private final WriteOptions defaultWrite;
  private final Map<String, Resolver> resolvers;

  KindredAsyncClient(
      Engine engine,
      ReadOptions defaultRead,
      WriteOptions defaultWrite,
      Map<String, Resolver> resolvers) {
    this.engine = engine;
    this.defaultRead = defaultRead;
    this.defaultWrite = defaultWrite;
    this.resolvers = Map.copyOf(resolvers);
  }

  /**
   * The blocking view of this client.
   *
   * @return a client that shares the connections; closing either closes both
   */
  public KindredClient blocking() {
    return new KindredClient(this);
  }

  /**
   * Reads a key, as the client reads by default.
   *
   * @param key which
   * @return its state
   */
  public CompletableFuture<GetResult> get(Key key) {
    return get(key, defaultRead);
  }

  /**
   * Reads a key.
   *
   * @param key which
   * @param options how, in place of the default of the client
   * @return its state
   */
  public CompletableFuture<GetResult> get(Key key, ReadOptions options) {
    return engine.read(
        KeyValueServiceGrpc.getGetMethod(),
        Requests.get(key, options),
        Optional.of(key),
        answer -> {
          engine.observe(key, answer.getReport().getTopologyEpoch());
          return Answers.get(answer);
        });
  }

  /**
   * Stores a value blindly, as the bucket says.
   *
   * @param key where
   * @param value what
   * @return the name of the write, and the context for the next
   */
  public CompletableFuture<WriteResult> put(Key key, Value value) {
    return put(key, value, PutOptions.DEFAULT);
  }

  /**
   * Stores a value.
   *
   * @param key where
   * @param value what
   * @param superseded what it supersedes: the context of an answer, or a blind mode
   * @return the name of the write, and the context for the next
   */
  public CompletableFuture<WriteResult> put(Key key, Value value, Causality superseded) {
    return put(key, value, PutOptions.replacing(superseded));
  }

  /**
   * Stores a value.
   *
   * @param key where
   * @param value what
   * @param options what it supersedes, when it expires, how it is written
   * @return the name of the write, and the context for the next
   */
  public CompletableFuture<WriteResult> put(Key key, Value value, PutOptions options) {
    WriteOptions write = options.write().orElse(defaultWrite).identified();
    return engine.write(
        KeyValueServiceGrpc.getPutMethod(),
        Requests.put(key, value, options, write),
        Optional.of(key),
        write.requestId().orElseThrow(),
        answer -> {
          engine.observe(key, answer.getReport().getTopologyEpoch());
          return Answers.put(answer);
        });
  }

  /**
   * Deletes a key blindly, as the bucket says.
   *
   * @param key which
   * @return the name of the deletion, and the context for the next write
   */
  public CompletableFuture<WriteResult> delete(Key key) {
    return delete(key, DeleteOptions.DEFAULT);
  }

  /**
   * Deletes a key.
   *
   * @param key which
   * @param superseded what the delete supersedes: the context of an answer, or a blind mode
   * @return the name of the deletion, and the context for the next write
   */
  public CompletableFuture<WriteResult> delete(Key key, Causality superseded) {
    return delete(key, DeleteOptions.replacing(superseded));
  }

  /**
   * Deletes a key. A value that raced the delete survives it.
   *
   * @param key which
   * @param options what it supersedes, how it is written
   * @return the name of the deletion, and the context for the next write
   */
  public CompletableFuture<WriteResult> delete(Key key, DeleteOptions options) {
    WriteOptions write = options.write().orElse(defaultWrite).identified();
    return engine.write(
        KeyValueServiceGrpc.getDeleteMethod(),
        Requests.delete(key, options, write),
        Optional.of(key),
        write.requestId().orElseThrow(),
        answer -> {
          engine.observe(key, answer.getReport().getTopologyEpoch());
          return Answers.delete(answer);
        });
  }

  /**
   * Changes when a key expires, and nothing else.
   *
   * @param key which
   * @param expiry after a span, at a moment, or never
   * @return whether there was a value
   */
  public CompletableFuture<TouchResult> touch(Key key, Expiry expiry) {
    return touch(key, expiry, TouchOptions.DEFAULT);
  }

  /**
   * Changes when a key expires, and nothing else.
   *
   * @param key which; one that holds several versions is refused with {@link ErrorReason#CONFLICT}
   * @param expiry after a span, at a moment, or never
   * @param options what it applies to, how it is written
   * @return whether there was a value
   */
  public CompletableFuture<TouchResult> touch(Key key, Expiry expiry, TouchOptions options) {
    WriteOptions write = options.write().orElse(defaultWrite).identified();
    return engine.write(
        KeyValueServiceGrpc.getTouchMethod(),
        Requests.touch(key, expiry, options, write),
        Optional.of(key),
        write.requestId().orElseThrow(),
        Answers::touch);
  }

  /**
   * Asks what became of a write, after a lost reply.
   *
   * @param key the key that the write was for
   * @param requestId the name of the write, for example {@link KindredException#requestId()}
   * @return whether it was seen
   */
  public CompletableFuture<WriteState> writeOutcome(Key key, RequestId requestId) {
    return writeOutcome(key, requestId, defaultRead);
  }

  /**
   * Asks what became of a write, after a lost reply.
   *
   * @param key the key that the write was for
   * @param requestId the name of the write
   * @param options how many replicas to ask; only that matters here
   * @return whether it was seen
   */
  public CompletableFuture<WriteState> writeOutcome(
      Key key, RequestId requestId, ReadOptions options) {
    return engine.read(
        KeyValueServiceGrpc.getGetWriteOutcomeMethod(),
        GetWriteOutcomeRequest.newBuilder()
            .setKey(Requests.key(key))
            .setRequestId(requestId.toByteString())
            .setOptions(Requests.read(options))
            .build(),
        Optional.of(key),
        Answers::writeState);
  }

  /**
   * Reads many keys, as the client reads by default.
   *
   * @param keys at most 1,000
   * @return one item for each key, in their order
   */
  public CompletableFuture<List<BatchItem<GetResult>>> batchGet(List<Key> keys) {
    return batchGet(keys, defaultRead);
  }

  /**
   * Reads many keys.
   *
   * @param keys at most 1,000
   * @param options how; a minimal context belongs to one key, and is not allowed
   * @return one item for each key, in their order
   */
  public CompletableFuture<List<BatchItem<GetResult>>> batchGet(
      List<Key> keys, ReadOptions options) {
    Collected<GetResult> items = new Collected<>();
    return items.with(batchGet(keys, options, items));
  }

  /**
   * Reads many keys, and tells of each as it comes.
   *
   * @param keys at most 1,000
   * @param options how; a minimal context belongs to one key, and is not allowed
   * @param onItem called once for each key, in any order, by one thread at a time
   * @return done when all items were told; fails if the batch as a whole was refused
   */
  public CompletableFuture<Void> batchGet(
      List<Key> keys, ReadOptions options, Consumer<? super BatchItem<GetResult>> onItem) {
    List<io.kindred.v1.Key> names = keys.stream().map(Requests::key).toList();
    io.kindred.v1.ReadOptions read = Requests.read(options);
    BatchOperation.Kind<BatchGetRequest, BatchGetResponse, GetResult> kind =
        new BatchOperation.Kind<>(
            KeyValueServiceGrpc.getBatchGetMethod(),
            open ->
                BatchGetRequest.newBuilder()
                    .addAllKeys(open.stream().map(names::get).toList())
                    .setOptions(read)
                    .build(),
            BatchGetResponse::getIndex,
            item -> item.hasStatus() ? Optional.of(item.getStatus()) : Optional.empty(),
            item -> Answers.get(item.getResult()));
    List<Attempts> items = keys.stream().map(key -> engine.newRead()).toList();
    return new BatchOperation<>(engine, kind, engine.newRead(), items, onItem).start();
  }

  /**
   * Writes many keys, as the client writes by default.
   *
   * @param mutations at most 1,000, and 4 MiB in all; independent of each other, in no order
   * @return one item for each mutation, in their order
   */
  public CompletableFuture<List<BatchItem<WriteResult>>> batchWrite(List<Mutation> mutations) {
    return batchWrite(mutations, defaultWrite);
  }

  /**
   * Writes many keys.
   *
   * @param mutations at most 1,000, and 4 MiB in all; independent of each other, in no order
   * @param options how, for mutations that do not say; a request id covers the whole batch
   * @return one item for each mutation, in their order
   */
  public CompletableFuture<List<BatchItem<WriteResult>>> batchWrite(
      List<Mutation> mutations, WriteOptions options) {
    Collected<WriteResult> items = new Collected<>();
    return items.with(batchWrite(mutations, options, items));
  }

  /**
   * Writes many keys, and tells of each as it comes.
   *
   * @param mutations at most 1,000, and 4 MiB in all; independent of each other, in no order
   * @param options how, for mutations that do not say; a request id covers the whole batch
   * @param onItem called once for each mutation, in any order, by one thread at a time
   * @return done when all items were told; fails if the batch as a whole was refused
   */
  public CompletableFuture<Void> batchWrite(
      List<Mutation> mutations,
      WriteOptions options,
      Consumer<? super BatchItem<WriteResult>> onItem) {
    // Each item has an id of its own, the one that the server would make of the batch's: so an item
    // counts once although only those that are open are sent again, at other positions.
    WriteOptions batch = options.identified();
    RequestId batchId = batch.requestId().orElseThrow();
    List<io.kindred.v1.Mutation> messages = new ArrayList<>();
    List<Attempts> items = new ArrayList<>();
    for (Mutation mutation : mutations) {
      WriteOptions write = mutation.write().orElse(batch.anonymous());
      RequestId id = write.requestId().orElse(batchId.ofItem(items.size()));
      messages.add(message(mutation, write.toBuilder().requestId(id).build()));
      items.add(engine.newWrite(id));
    }
    BatchOperation.Kind<BatchWriteRequest, BatchWriteResponse, WriteResult> kind =
        new BatchOperation.Kind<>(
            KeyValueServiceGrpc.getBatchWriteMethod(),
            open ->
                BatchWriteRequest.newBuilder()
                    .addAllMutations(open.stream().map(messages::get).toList())
                    .build(),
            BatchWriteResponse::getIndex,
            item -> item.hasStatus() ? Optional.of(item.getStatus()) : Optional.empty(),
            item -> item.hasPut() ? Answers.put(item.getPut()) : Answers.delete(item.getDelete()));
    return new BatchOperation<>(engine, kind, engine.newWrite(batchId), items, onItem).start();
  }

  private static io.kindred.v1.Mutation message(Mutation mutation, WriteOptions write) {
    io.kindred.v1.Mutation.Builder message = io.kindred.v1.Mutation.newBuilder();
    if (mutation instanceof Mutation.Put put) {
      return message.setPut(Requests.put(put.key(), put.value(), put.options(), write)).build();
    }
    Mutation.Delete delete = (Mutation.Delete) mutation;
    return message.setDelete(Requests.delete(delete.key(), delete.options(), write)).build();
  }

  /**
   * Changes a key: reads it, resolves versions that raced, and writes what the step makes of that.
   *
   * @param key which
   * @param step makes the new value; may be called again, but only if its write was not applied
   * @return what the key holds then
   */
  public CompletableFuture<UpdateResult> update(Key key, Update.Step step) {
    return update(key, step, UpdateOptions.DEFAULT);
  }

  /**
   * Changes a key: reads it, resolves versions that raced, and writes what the step makes of that.
   * A write that races in spite of this is resolved as well, if there is a resolver.
   *
   * @param key which
   * @param step makes the new value; may be called again, but only if its write was not applied
   * @param options how to read, resolve and write
   * @return what the key holds then; fails with a {@link ConflictException} if versions raced that
   *     nobody resolves, or others wrote faster each time
   */
  public CompletableFuture<UpdateResult> update(Key key, Update.Step step, UpdateOptions options) {
    return update(key, step, options, Optional.empty());
  }

  CompletableFuture<UpdateResult> update(
      Key key, Update.Step step, UpdateOptions options, Optional<CausalContext> seen) {
    Optional<Resolver> resolver =
        options.resolver().or(() -> Optional.ofNullable(resolvers.get(key.bucket())));
    return new UpdateOperation(this, key, step, options, resolver, seen).start();
  }

  /**
   * Begins a session, which reads its own writes and never goes back, at any level.
   *
   * @return a session that remembers 10,000 keys
   */
  public KindredAsyncSession session() {
    return new KindredAsyncSession(this, KindredAsyncSession.DEFAULT_KEYS_MAX);
  }

  /**
   * Begins a session, which reads its own writes and never goes back, at any level.
   *
   * @param keysMax how many keys it remembers
   * @return a session
   */
  public KindredAsyncSession session(int keysMax) {
    return new KindredAsyncSession(this, keysMax);
  }

  /**
   * Opens a pipeline, the fast path for many operations.
   *
   * @return a pipeline of 1,024 operations in flight
   */
  public KindredPipeline pipeline() {
    return pipeline(KindredPipeline.DEFAULT_IN_FLIGHT_MAX);
  }

  /**
   * Opens a pipeline, the fast path for many operations.
   *
   * @param inFlightMax how many operations may be under way; whoever asks for more waits
   * @return a pipeline
   */
  public KindredPipeline pipeline(int inFlightMax) {
    return new KindredPipeline(engine, defaultRead, defaultWrite, inFlightMax);
  }

  /**
   * Computes where a key lives, from the table of homes that direct routing uses.
   *
   * @param key which; it need not exist
   * @return its place on the ring, and its homes
   */
  public CompletableFuture<KeyLocation> locate(Key key) {
    return engine.routing().placement(key.bucket()).thenApply(table -> table.locate(key));
  }

  ReadOptions defaultRead() {
    return defaultRead;
  }

  WriteOptions defaultWrite() {
    return defaultWrite;
  }

  /** Closes all connections. What is under way fails; close pipelines first. */
  @Override
  public void close() {
    engine.close();
  }

  /** Gathers the items of a batch. */
  private static final class Collected<T> implements Consumer<BatchItem<T>> {
    private final List<BatchItem<T>> items = Collections.synchronizedList(new ArrayList<>());

    @Override
    public void accept(BatchItem<T> item) {
      items.add(item);
    }

    /** The items in order once the batch is done; whoever cancels that cancels the batch. */
    CompletableFuture<List<BatchItem<T>>> with(CompletableFuture<Void> batch) {
      CompletableFuture<List<BatchItem<T>>> all =
          batch.thenApply(
              done -> items.stream().sorted(Comparator.comparingInt(BatchItem::index)).toList());
      all.whenComplete(
          (list, error) -> {
            if (all.isCancelled()) {
              batch.cancel(true);
            }
          });
      return all;
    }
  }
}
