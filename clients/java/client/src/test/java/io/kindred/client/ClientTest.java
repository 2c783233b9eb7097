package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.kindred.v1.ErrorReason;
import io.kindred.v1.PutRequest;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Single operations against nodes that answer as the test says. */
@Timeout(60)
class ClientTest {

  private static final AtomicInteger NAMES = new AtomicInteger();
  private static final Key KEY = Key.of("default", "cart");

  private final ScriptedNode first = new ScriptedNode("client-" + NAMES.incrementAndGet());
  private final ScriptedNode second = new ScriptedNode("client-" + NAMES.incrementAndGet());
  private final KindredClient client = builder().build();

  private KindredClientBuilder builder() {
    return KindredClient.builder()
        .endpoints(first.name(), second.name())
        .timeout(Duration.ofSeconds(30))
        .channels(InProcessChannelBuilder::forName);
  }

  @AfterEach
  void close() {
    client.close();
    first.close();
    second.close();
  }

  private List<PutRequest> puts() {
    return Stream.concat(first.puts.stream(), second.puts.stream()).toList();
  }

  /** Both nodes fail the first put that comes to either, and take the next. */
  private void failFirstPut(RuntimeException error) {
    AtomicInteger count = new AtomicInteger();
    for (ScriptedNode node : List.of(first, second)) {
      var succeed = node.onPut;
      node.onPut =
          (request, answer) -> {
            if (count.getAndIncrement() == 0) {
              answer.onError(error);
            } else {
              succeed.accept(request, answer);
            }
          };
    }
  }

  private void failPuts(RuntimeException error) {
    first.onPut = (request, answer) -> answer.onError(error);
    second.onPut = (request, answer) -> answer.onError(error);
  }

  @Test
  void sendsAWriteAgainElsewhereUnderTheSameRequestId() {
    failFirstPut(Status.UNAVAILABLE.asRuntimeException());
    client.put(KEY, Value.of("milk"));
    assertEquals(1, first.puts.size());
    assertEquals(1, second.puts.size());
    assertEquals(first.puts.get(0), second.puts.get(0));
    assertEquals(16, first.puts.get(0).getOptions().getRequestId().size());
  }

  @Test
  void eachWriteHasARequestIdOfItsOwn() {
    client.put(KEY, Value.of("milk"));
    client.put(KEY, Value.of("milk"));
    assertNotEquals(
        puts().get(0).getOptions().getRequestId(), puts().get(1).getOptions().getRequestId());
  }

  @Test
  void takesTurnsBetweenEndpoints() {
    // Both are connected once each has answered.
    for (int i = 0; i < 20; i++) {
      client.get(KEY);
    }
    assertTrue(first.gets.size() >= 5 && second.gets.size() >= 5);
  }

  @Test
  void doesNotRepeatWhatTheServerRefuses() {
    failPuts(
        ScriptedNode.failure(
            Status.Code.INVALID_ARGUMENT,
            ScriptedNode.detail(
                    ErrorReason.ERROR_REASON_TOO_LARGE,
                    io.kindred.v1.WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
                    true)
                .setField("value.data")));
    KindredException error =
        assertThrows(KindredException.class, () -> client.put(KEY, Value.of("milk")));
    assertEquals(1, puts().size());
    assertEquals(Status.Code.INVALID_ARGUMENT, error.code());
    assertEquals(io.kindred.client.ErrorReason.TOO_LARGE, error.reason());
    assertEquals(WriteOutcome.NOT_APPLIED, error.outcome());
    assertEquals("value.data", error.detail().orElseThrow().field());
  }

  @Test
  void aWriteThatBrokeOffIsUnknown() {
    failPuts(Status.UNAVAILABLE.asRuntimeException());
    KindredException error =
        assertThrows(KindredException.class, () -> client.put(KEY, Value.of("milk")));
    assertEquals(4, puts().size());
    assertEquals(4, error.attempts());
    assertEquals(WriteOutcome.UNKNOWN, error.outcome());
    assertTrue(error.safeToRetry());
    assertEquals(
        puts().get(0).getOptions().getRequestId(), error.requestId().orElseThrow().toByteString());
  }

  @Test
  void aRefusalAfterAnUnknownAttemptLeavesItUnknown() {
    AtomicInteger count = new AtomicInteger();
    for (ScriptedNode node : List.of(first, second)) {
      node.onPut =
          (request, answer) ->
              answer.onError(
                  count.getAndIncrement() == 0
                      ? Status.UNAVAILABLE.asRuntimeException()
                      : ScriptedNode.failure(
                          Status.Code.FAILED_PRECONDITION,
                          ScriptedNode.detail(
                              ErrorReason.ERROR_REASON_KEY_EXISTS,
                              io.kindred.v1.WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
                              true)));
    }
    KindredException error =
        assertThrows(KindredException.class, () -> client.put(KEY, Value.of("milk")));
    assertEquals(io.kindred.client.ErrorReason.KEY_EXISTS, error.reason());
    assertEquals(WriteOutcome.UNKNOWN, error.outcome());
  }

  @Test
  void anEndpointThatIsNotThereHasAppliedNothing() {
    try (KindredClient lost =
        KindredClient.builder()
            .endpoints("nobody-is-called-this")
            .channels(InProcessChannelBuilder::forName)
            .build()) {
      KindredException error =
          assertThrows(KindredException.class, () -> lost.put(KEY, Value.of("milk")));
      assertEquals(Status.Code.UNAVAILABLE, error.code());
      assertEquals(WriteOutcome.NOT_APPLIED, error.outcome());
    }
  }

  @Test
  void passesOverAnEndpointThatIsNotThere() {
    try (KindredClient some =
        KindredClient.builder()
            .endpoints("nobody-is-called-this", first.name())
            .channels(InProcessChannelBuilder::forName)
            .build()) {
      for (int i = 0; i < 10; i++) {
        assertInstanceOf(GetResult.Absent.class, some.get(KEY));
      }
    }
  }

  @Test
  void theTimeoutIsOfTheWholeOperation() {
    first.onGet = (request, answer) -> {};
    second.onGet = (request, answer) -> {};
    try (KindredClient impatient = builder().timeout(Duration.ofMillis(100)).build()) {
      KindredException error = assertThrows(KindredException.class, () -> impatient.get(KEY));
      assertEquals(Status.Code.DEADLINE_EXCEEDED, error.code());
      assertEquals(1, error.attempts());
      assertEquals(WriteOutcome.NONE, error.outcome());
    }
  }

  @Test
  void interruptingAThreadThatWaitsCancelsItsOperation() throws InterruptedException {
    CountDownLatch arrived = new CountDownLatch(1);
    CountDownLatch cancelled = new CountDownLatch(1);
    for (ScriptedNode node : List.of(first, second)) {
      node.onPut =
          (request, answer) -> {
            io.grpc.Context.current().addListener(c -> cancelled.countDown(), Runnable::run);
            arrived.countDown();
          };
    }
    AtomicReference<KindredException> failure = new AtomicReference<>();
    AtomicReference<Boolean> interrupted = new AtomicReference<>();
    Thread thread =
        new Thread(
            () -> {
              failure.set(
                  assertThrows(KindredException.class, () -> client.put(KEY, Value.of("milk"))));
              interrupted.set(Thread.currentThread().isInterrupted());
            });
    thread.start();
    arrived.await();
    thread.interrupt();
    thread.join();
    assertEquals(Status.Code.CANCELLED, failure.get().code());
    assertEquals(WriteOutcome.UNKNOWN, failure.get().outcome());
    assertTrue(interrupted.get());
    cancelled.await();
  }

  @Test
  void cancellingAFutureCancelsTheCall() throws InterruptedException {
    CountDownLatch arrived = new CountDownLatch(1);
    CountDownLatch cancelled = new CountDownLatch(1);
    for (ScriptedNode node : List.of(first, second)) {
      node.onGet =
          (request, answer) -> {
            io.grpc.Context.current().addListener(c -> cancelled.countDown(), Runnable::run);
            arrived.countDown();
          };
    }
    CompletableFuture<GetResult> future = client.async().get(KEY);
    arrived.await();
    future.cancel(true);
    cancelled.await();
    assertThrows(CancellationException.class, future::join);
  }

  @Test
  void answersAreSumsOfThree() {
    for (ScriptedNode node : List.of(first, second)) {
      node.onGet =
          (request, answer) ->
              ScriptedNode.succeed(answer, ScriptedNode.conflict("both", "eggs", "bread"));
    }
    GetResult.Conflict conflict = assertInstanceOf(GetResult.Conflict.class, client.get(KEY));
    assertEquals(List.of("eggs", "bread"), conflict.values().stream().map(Value::text).toList());
    client.put(KEY, Value.of("eggs, bread"), conflict.context());
    assertEquals("both", puts().get(0).getContext().toStringUtf8());
  }

  @Test
  void sendsTheTokenWithEachCall() {
    AtomicInteger calls = new AtomicInteger();
    try (KindredClient known =
        builder().bearerToken(() -> "secret" + calls.incrementAndGet()).build()) {
      known.get(KEY);
      known.get(KEY);
    }
    Metadata.Key<String> name = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    List<String> tokens =
        Stream.concat(first.headers.stream(), second.headers.stream())
            .map(headers -> headers.get(name))
            .sorted()
            .toList();
    assertEquals(List.of("Bearer secret1", "Bearer secret2"), tokens);
  }

  @Test
  void aClosedClientRefusesOperations() {
    KindredPipeline pipeline = client.pipeline();
    client.close();
    assertThrows(KindredException.class, () -> client.get(KEY));
    KindredException error =
        assertThrows(KindredException.class, () -> client.put(KEY, Value.of("milk")));
    assertEquals(WriteOutcome.NOT_APPLIED, error.outcome());
    assertEquals(0, error.attempts());
    KindredException batch =
        assertThrows(
            KindredException.class, () -> client.batchWrite(List.of(Mutation.delete(KEY))));
    assertEquals(WriteOutcome.NOT_APPLIED, batch.outcome());
    ExecutionException piped =
        assertThrows(ExecutionException.class, () -> pipeline.put(KEY, Value.of("milk")).get());
    assertEquals(
        WriteOutcome.NOT_APPLIED,
        assertInstanceOf(KindredException.class, piped.getCause()).outcome());
  }

  @Test
  void closingBetweenAttemptsDoesNotForgetWhatMayBeApplied() throws Exception {
    failPuts(
        ScriptedNode.failure(
            Status.Code.UNAVAILABLE,
            ScriptedNode.detail(
                    ErrorReason.ERROR_REASON_QUORUM_TIMEOUT,
                    io.kindred.v1.WriteOutcome.WRITE_OUTCOME_UNKNOWN,
                    true)
                .setRetryAfter(Requests.duration(Duration.ofMillis(300)))));
    CompletableFuture<WriteResult> put = client.async().put(KEY, Value.of("milk"));
    // Two reads reach both nodes: the answer to the put has come by then.
    client.get(KEY);
    client.get(KEY);
    client.close();
    ExecutionException error = assertThrows(ExecutionException.class, put::get);
    assertEquals(
        WriteOutcome.UNKNOWN, assertInstanceOf(KindredException.class, error.getCause()).outcome());
  }

  @Test
  void failuresOfFuturesAreThoseOfTheBlockingClient() {
    failPuts(Status.PERMISSION_DENIED.asRuntimeException());
    ExecutionException error =
        assertThrows(
            ExecutionException.class, () -> client.async().put(KEY, Value.of("milk")).get());
    KindredException failure = assertInstanceOf(KindredException.class, error.getCause());
    assertEquals(Status.Code.PERMISSION_DENIED, failure.code());
    assertFalse(failure.detail().isPresent());
  }
}
