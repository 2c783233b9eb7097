package io.kindred.testee;

import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import io.kindred.client.Bytes;
import io.kindred.client.Key;
import io.kindred.client.KindredAsyncClient;
import io.kindred.client.KindredClient;
import io.kindred.client.KindredPipeline;
import io.kindred.client.Value;
import io.kindred.v1.GetRequest;
import io.kindred.v1.GetResponse;
import io.kindred.v1.KeyValueServiceGrpc;
import io.kindred.v1.PutRequest;
import io.kindred.v1.PutResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;

/**
 * Measures how many operations a second the bare stub, the client and its pipeline get through:
 * keys at random out of 10,000, values of 100 bytes, 64 unary operations in flight.
 */
public final class Bench {

  private static final int IN_FLIGHT = 64;
  private static final int PIPELINED = 1_024;
  private static final int ROUNDS = 5;
  private static final int KEYS = 10_000;

  /** A busy machine is slow, and not broken. */
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private static final byte[] VALUE = new byte[100];

  private final List<String> endpoints;
  private final double seconds;

  private Bench(List<String> endpoints, double seconds) {
    this.endpoints = endpoints;
    this.seconds = seconds;
  }

  /**
   * Prints one line of JSON.
   *
   * @param arguments the endpoints, separated by commas, and for how many seconds to run each part
   * @throws InterruptedException if it is interrupted
   */
  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length != 2) {
      System.err.println("usage: run/bench HOST:PORT,... SECONDS");
      System.exit(2);
    }
    Bench bench = new Bench(List.of(arguments[0].split(",")), Double.parseDouble(arguments[1]));
    System.out.println(bench.measure());
  }

  private JsonObject measure() throws InterruptedException {
    JsonObject figures = new JsonObject();
    figures.addProperty("client", "java");
    List<ManagedChannel> channels =
        endpoints.stream()
            .map(
                endpoint ->
                    Grpc.newChannelBuilder(endpoint, InsecureChannelCredentials.create())
                        .disableRetry()
                        .build())
            .toList();
    List<KeyValueServiceGrpc.KeyValueServiceStub> stubs =
        channels.stream().map(KeyValueServiceGrpc::newStub).toList();
    try (KindredAsyncClient client =
            KindredClient.builder().endpoints(endpoints).timeout(PATIENCE).buildAsync();
        KindredPipeline pipeline = client.pipeline()) {
      fill(pipeline);
      List<Series> all =
          List.of(
              new Series("stubGet", IN_FLIGHT, () -> stubGet(any(stubs))),
              new Series("clientGet", IN_FLIGHT, () -> client.get(key())),
              new Series("oneGet", 1, () -> client.get(key())),
              new Series("stubPut", IN_FLIGHT, () -> stubPut(any(stubs))),
              new Series("clientPut", IN_FLIGHT, () -> client.put(key(), value())),
              new Series("onePut", 1, () -> client.put(key(), value())),
              new Series("pipelineGet", PIPELINED, () -> pipeline.get(key())),
              new Series("pipelinePut", PIPELINED, () -> pipeline.put(key(), value())));
      // The first round warms up the compiler of the JVM, and the nodes. In the others the series
      // take
      // turns, so that what else the machine does falls on all of them.
      for (int round = 0; round <= ROUNDS; round++) {
        for (Series series : all) {
          series.run(seconds / ROUNDS, round > 0);
        }
      }
      all.forEach(series -> figures.addProperty(series.name, series.rate()));
    }
    channels.forEach(ManagedChannel::shutdownNow);
    figures.addProperty("inFlight", IN_FLIGHT);
    return figures;
  }

  private static void fill(KindredPipeline pipeline) {
    CompletableFuture<?>[] puts = new CompletableFuture<?>[KEYS];
    for (int i = 0; i < KEYS; i++) {
      puts[i] = pipeline.put(Key.of(Key.DEFAULT_BUCKET, "bench" + i), value());
    }
    CompletableFuture.allOf(puts).join();
  }

  private static CompletableFuture<GetResponse> stubGet(
      KeyValueServiceGrpc.KeyValueServiceStub stub) {
    GetRequest request = GetRequest.newBuilder().setKey(message(key())).build();
    Answer<GetResponse> answer = new Answer<>();
    stub.withDeadlineAfter(PATIENCE.toSeconds(), TimeUnit.SECONDS).get(request, answer);
    return answer.future;
  }

  private static CompletableFuture<PutResponse> stubPut(
      KeyValueServiceGrpc.KeyValueServiceStub stub) {
    byte[] id = new byte[16];
    ThreadLocalRandom.current().nextBytes(id);
    PutRequest request =
        PutRequest.newBuilder()
            .setKey(message(key()))
            .setValue(io.kindred.v1.Value.newBuilder().setData(ByteString.copyFrom(VALUE)))
            .setOptions(
                io.kindred.v1.WriteOptions.newBuilder().setRequestId(ByteString.copyFrom(id)))
            .build();
    Answer<PutResponse> answer = new Answer<>();
    stub.withDeadlineAfter(PATIENCE.toSeconds(), TimeUnit.SECONDS).put(request, answer);
    return answer.future;
  }

  private static io.kindred.v1.Key message(Key key) {
    return io.kindred.v1.Key.newBuilder()
        .setBucket(key.bucket())
        .setKey(ByteString.copyFrom(key.key().toByteArray()))
        .build();
  }

  private static Key key() {
    return Key.of(Key.DEFAULT_BUCKET, "bench" + ThreadLocalRandom.current().nextInt(KEYS));
  }

  private static Value value() {
    return new Value(Bytes.copyOf(VALUE));
  }

  private static <T> T any(List<T> items) {
    return items.get(ThreadLocalRandom.current().nextInt(items.size()));
  }

  /** Operations of one kind, over all rounds. */
  private static final class Series {
    private final String name;
    private final int inFlight;
    private final Supplier<CompletableFuture<?>> operation;
    private final LongAdder done = new LongAdder();
    private final LongAdder failed = new LongAdder();
    private long nanos;

    Series(String name, int inFlight, Supplier<CompletableFuture<?>> operation) {
      this.name = name;
      this.inFlight = inFlight;
      this.operation = operation;
    }

    void run(double seconds, boolean counts) throws InterruptedException {
      Semaphore free = new Semaphore(inFlight);
      long start = System.nanoTime();
      long end = start + (long) (seconds * 1e9);
      while (System.nanoTime() < end) {
        free.acquire();
        operation
            .get()
            .whenComplete(
                (answer, error) -> {
                  if (counts) {
                    (error == null ? done : failed).increment();
                  }
                  free.release();
                });
      }
      free.acquire(inFlight);
      nanos += counts ? System.nanoTime() - start : 0;
    }

    long rate() {
      if (failed.sum() > 0) {
        System.err.println(failed.sum() + " operations of " + name + " failed");
      }
      return Math.round(done.sum() * 1e9 / nanos);
    }
  }

  private static final class Answer<T> implements StreamObserver<T> {
    private final CompletableFuture<T> future = new CompletableFuture<>();

    @Override
    public void onNext(T answer) {
      future.complete(answer);
    }

    @Override
    public void onError(Throwable error) {
      future.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
      // The answer has completed the future.
    }
  }
}
