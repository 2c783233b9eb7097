package io.kindred.client;

import io.grpc.Context;
import io.kindred.v1.Operation;
import io.kindred.v1.OperationResult;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Many operations over one stream to each node, answered in any order: the fast path.
 *
 * <p>Operations that are asked for while others are being written go together in one message. A
 * bounded number may be under way: whoever asks for one more waits until one of them has its
 * answer. An operation has at most 3 MiB; use the client for larger values. If a stream ends, what
 * has no answer is sent again over another, writes under the same request id.
 *
 * <p>Futures are completed by the threads that receive answers. What depends on them must not block
 * there, and must not ask for further operations of a full pipeline; use the {@code Async} methods
 * of {@link CompletableFuture}. Cancelling a future gives up the answer, not the operation.
 *
 * <p>Safe for use by many threads.
 */
public final class KindredPipeline implements AutoCloseable {

  static final int DEFAULT_IN_FLIGHT_MAX = 1_024;

  /** What surely fits into one message of the server's limit; larger ones go alone, unary. */
  private static final int OPERATION_BYTES_MAX = 3 << 20;

  /** How often operations are looked for whose time is up and whose stream does not say so. */
  private static final long SWEEP_MILLIS = 50;

  private final Engine engine;
  private final ReadOptions defaultRead;
  private final WriteOptions defaultWrite;
  private final int inFlightMax;
  private final Semaphore permits;
  private final Set<PipelinedOperation<?>> inFlight = ConcurrentHashMap.newKeySet();
  private final Map<Endpoint, PipelineStream> streams = new ConcurrentHashMap<>();
  private final PipelineStream.Owner owner = new StreamOwner();
  private final ScheduledFuture<?> sweeper;
  private volatile boolean closed;

  KindredPipeline(
      Engine engine, ReadOptions defaultRead, WriteOptions defaultWrite, int inFlightMax) {
    if (inFlightMax < 1) {
      throw new IllegalArgumentException("inFlightMax is at least 1, not " + inFlightMax);
    }
    this.engine = engine;
    this.defaultRead = defaultRead;
    this.defaultWrite = defaultWrite;
    this.inFlightMax = inFlightMax;
    this.permits = new Semaphore(inFlightMax);
    this.sweeper =
        engine
            .timer()
            .scheduleWithFixedDelay(this::sweep, SWEEP_MILLIS, SWEEP_MILLIS, TimeUnit.MILLISECONDS);
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
   * @param options how
   * @return its state
   */
  public CompletableFuture<GetResult> get(Key key, ReadOptions options) {
    return submit(
        key,
        Operation.newBuilder().setGet(Requests.get(key, options)),
        Optional.empty(),
        result -> {
          engine.observe(key, result.getGet().getReport().getTopologyEpoch());
          return Answers.get(result.getGet());
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
   * @param options what it supersedes, when it expires, how it is written
   * @return the name of the write, and the context for the next
   */
  public CompletableFuture<WriteResult> put(Key key, Value value, PutOptions options) {
    WriteOptions write = options.write().orElse(defaultWrite).identified();
    return submit(
        key,
        Operation.newBuilder().setPut(Requests.put(key, value, options, write)),
        write.requestId(),
        result -> {
          engine.observe(key, result.getPut().getReport().getTopologyEpoch());
          return Answers.put(result.getPut());
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
   * @param options what it supersedes, how it is written
   * @return the name of the deletion, and the context for the next write
   */
  public CompletableFuture<WriteResult> delete(Key key, DeleteOptions options) {
    WriteOptions write = options.write().orElse(defaultWrite).identified();
    return submit(
        key,
        Operation.newBuilder().setDelete(Requests.delete(key, options, write)),
        write.requestId(),
        result -> {
          engine.observe(key, result.getDelete().getReport().getTopologyEpoch());
          return Answers.delete(result.getDelete());
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
   * @param key which
   * @param expiry after a span, at a moment, or never
   * @param options what it applies to, how it is written
   * @return whether there was a value
   */
  public CompletableFuture<TouchResult> touch(Key key, Expiry expiry, TouchOptions options) {
    WriteOptions write = options.write().orElse(defaultWrite).identified();
    return submit(
        key,
        Operation.newBuilder().setTouch(Requests.touch(key, expiry, options, write)),
        write.requestId(),
        result -> Answers.touch(result.getTouch()));
  }

  /**
   * Waits until every operation has its answer, and ends the streams. The future of the last may be
   * completed a moment later, so that what its callbacks do finds room.
   */
  @Override
  public void close() {
    closed = true;
    // All permits are free when nothing is in flight. Each operation ends at its deadline.
    permits.acquireUninterruptibly(inFlightMax);
    permits.release(inFlightMax);
    sweeper.cancel(false);
    streams.values().forEach(PipelineStream::halfClose);
  }

  private <T> CompletableFuture<T> submit(
      Key key,
      Operation.Builder message,
      Optional<RequestId> requestId,
      Function<OperationResult, T> decode) {
    acquire(requestId);
    Attempts attempts = requestId.map(engine::newWrite).orElseGet(engine::newRead);
    PipelinedOperation<T> operation =
        new PipelinedOperation<>(key, message, attempts, decode, this::left);
    if (operation.bytes() > OPERATION_BYTES_MAX) {
      // The server would end the stream, and with it all others.
      operation.giveUp(
          AttemptFailure.ofTooLarge(
              "an operation of a pipeline has at most "
                  + OPERATION_BYTES_MAX
                  + " bytes, not "
                  + operation.bytes()));
      return operation;
    }
    inFlight.add(operation);
    send(operation);
    return operation;
  }

  private void acquire(Optional<RequestId> requestId) {
    try {
      permits.acquire();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw requestId.map(engine::newWrite).orElseGet(engine::newRead).cancelled(false, "");
    }
    if (closed) {
      permits.release();
      throw new IllegalStateException("the pipeline is closed");
    }
  }

  private void left(PipelinedOperation<?> operation) {
    inFlight.remove(operation);
    permits.release();
  }

  private void send(PipelinedOperation<?> operation) {
    boolean handedOver = false;
    try {
      Endpoint endpoint = engine.choose(Optional.of(operation.key()), operation.endpoint());
      operation.begin(endpoint);
      PipelineStream stream = stream(endpoint);
      handedOver = true;
      while (!stream.send(operation)) {
        // It has ended, and has not come to say so.
        streams.remove(endpoint, stream);
        stream = stream(endpoint);
      }
    } catch (RuntimeException e) {
      Endpoint last = operation.endpoint();
      operation.giveUp(AttemptFailure.ofThrown(e, handedOver, last == null ? "" : last.address()));
    }
  }

  private PipelineStream stream(Endpoint endpoint) {
    return streams.computeIfAbsent(
        endpoint, target -> PipelineStream.open(target, engine.executor(), owner));
  }

  private void sweep() {
    long now = System.nanoTime();
    for (PipelinedOperation<?> operation : inFlight) {
      if (operation.isOver(now)) {
        // Not here: what the caller does then must not hold up the timer.
        engine.execute(operation::expire);
      }
    }
  }

  /** What streams tell of. */
  private final class StreamOwner implements PipelineStream.Owner {
    @Override
    public void ended(PipelineStream stream) {
      streams.remove(stream.endpoint(), stream);
    }

    @Override
    public void failed(PipelinedOperation<?> operation, AttemptFailure failure) {
      sendAgain(operation, operation.failed(failure), failure);
    }

    @Override
    public void leftBehind(PipelinedOperation<?> operation, AttemptFailure end) {
      sendAgain(operation, operation.streamEnded(end), end.ofStream());
    }

    private void sendAgain(
        PipelinedOperation<?> operation, Optional<Duration> wait, AttemptFailure failure) {
      if (wait.isPresent() && !engine.later(wait.get(), Context.ROOT, () -> send(operation))) {
        operation.giveUp(failure);
      }
    }
  }
}
