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
  private static final int KEYS = 10_000;
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
    try (KindredAsyncClient client = KindredClient.builder().endpoints(endpoints).buildAsync();
        KindredPipeline pipeline = client.pipeline()) {
      fill(pipeline);
      // The first round warms up the compiler of the JVM, and the nodes.
      figures.addProperty("stubGet", rate(IN_FLIGHT, () -> stubGet(any(stubs))));
      figures.addProperty("clientGet", rate(IN_FLIGHT, () -> client.get(key())));
      figures.addProperty("stubPut", rate(IN_FLIGHT, () -> stubPut(any(stubs))));
      figures.addProperty("clientPut", rate(IN_FLIGHT, () -> client.put(key(), value())));
      figures.addProperty("pipelineGet", rate(1024, () -> pipeline.get(key())));
      figures.addProperty("pipelinePut", rate(1024, () -> pipeline.put(key(), value())));
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

  /** Runs operations for a while, twice, and counts those that end in the second. */
  private long rate(int inFlight, Supplier<CompletableFuture<?>> operation)
      throws InterruptedException {
    run(inFlight, operation, seconds / 2);
    return run(inFlight, operation, seconds);
  }

  private static long run(int inFlight, Supplier<CompletableFuture<?>> operation, double seconds)
      throws InterruptedException {
    Semaphore free = new Semaphore(inFlight);
    LongAdder done = new LongAdder();
    LongAdder failed = new LongAdder();
    long start = System.nanoTime();
    long end = start + (long) (seconds * 1e9);
    while (System.nanoTime() < end) {
      free.acquire();
      operation
          .get()
          .whenComplete(
              (answer, error) -> {
                (error == null ? done : failed).increment();
                free.release();
              });
    }
    free.acquire(inFlight);
    if (failed.sum() > 0) {
      System.err.println(failed.sum() + " operations failed");
    }
    return Math.round(
        done.sum() * (double) TimeUnit.SECONDS.toNanos(1) / (System.nanoTime() - start));
  }

  private static CompletableFuture<GetResponse> stubGet(
      KeyValueServiceGrpc.KeyValueServiceStub stub) {
    GetRequest request = GetRequest.newBuilder().setKey(message(key())).build();
    Answer<GetResponse> answer = new Answer<>();
    stub.withDeadlineAfter(5, TimeUnit.SECONDS).get(request, answer);
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
    stub.withDeadlineAfter(5, TimeUnit.SECONDS).put(request, answer);
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
