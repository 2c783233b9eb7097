package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.stub.StreamObserver;
import io.kindred.v1.Operation;
import io.kindred.v1.OperationResult;
import io.kindred.v1.PipelineRequest;
import io.kindred.v1.PipelineResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class PipelineTest {

  private static final AtomicInteger NAMES = new AtomicInteger();
  private static final Key KEY = Key.of("default", "a");

  /** What came over which stream. */
  private record Group(StreamObserver<PipelineResponse> stream, List<Operation> operations) {}

  private final ScriptedNode node = new ScriptedNode("pipeline-" + NAMES.incrementAndGet());
  private final BlockingQueue<Group> groups = new LinkedBlockingQueue<>();
  private final KindredClient client = client(Duration.ofSeconds(30));

  private KindredClient client(Duration timeout) {
    return KindredClient.builder()
        .endpoints(node.name())
        .timeout(timeout)
        .channels(InProcessChannelBuilder::forName)
        .build();
  }

  PipelineTest() {
    node.onPipeline =
        answers ->
            new StreamObserver<>() {
              @Override
              public void onNext(PipelineRequest request) {
                groups.add(new Group(answers, request.getOperationsList()));
              }

              @Override
              public void onError(Throwable error) {
                // The client has gone.
              }

              @Override
              public void onCompleted() {
                answers.onCompleted();
              }
            };
  }

  @AfterEach
  void close() {
    client.close();
    node.close();
  }

  private static PipelineResponse found(Operation operation, String text) {
    return PipelineResponse.newBuilder()
        .addResults(
            OperationResult.newBuilder()
                .setId(operation.getId())
                .setGet(ScriptedNode.found("c", text)))
        .build();
  }

  private static void answer(Group group) {
    group
        .operations()
        .forEach(
            operation ->
                group.stream()
                    .onNext(found(operation, operation.getGet().getKey().getKey().toStringUtf8())));
  }

  @Test
  void answersInAnyOrder() throws Exception {
    try (KindredPipeline pipeline = client.pipeline()) {
      List<CompletableFuture<GetResult>> futures = new ArrayList<>();
      for (int i = 0; i < 50; i++) {
        futures.add(pipeline.get(Key.of("default", "k" + i)));
      }
      List<Group> received = new ArrayList<>();
      int count = 0;
      while (count < 50) {
        Group group = groups.take();
        received.add(0, group);
        count += group.operations().size();
      }
      received.forEach(PipelineTest::answer);
      for (int i = 0; i < 50; i++) {
        GetResult.Found found = assertInstanceOf(GetResult.Found.class, futures.get(i).get());
        assertEquals("k" + i, found.value().text());
      }
    }
  }

  @Test
  void waitsWhereTooManyAreInFlight() throws Exception {
    try (KindredPipeline pipeline = client.pipeline(2)) {
      pipeline.get(KEY);
      pipeline.get(KEY);
      CompletableFuture<CompletableFuture<GetResult>> third =
          CompletableFuture.supplyAsync(() -> pipeline.get(KEY));
      List<Group> held = new ArrayList<>();
      int count = 0;
      while (count < 2) {
        Group group = groups.take();
        held.add(group);
        count += group.operations().size();
      }
      assertFalse(third.isDone());
      held.forEach(PipelineTest::answer);
      CompletableFuture<GetResult> answer = third.get();
      answer(groups.take());
      assertInstanceOf(GetResult.Found.class, answer.get());
    }
  }

  @Test
  void sendsWhatHasNoAnswerAgainWhenTheStreamBreaks() throws Exception {
    try (KindredPipeline pipeline = client.pipeline()) {
      CompletableFuture<WriteResult> put = pipeline.put(KEY, Value.of("milk"));
      Group first = groups.take();
      first.stream().onError(Status.UNAVAILABLE.asRuntimeException());
      Group second = groups.take();
      Operation again = second.operations().get(0);
      assertEquals(first.operations().get(0).getPut(), again.getPut());
      assertEquals(16, again.getPut().getOptions().getRequestId().size());
      second.stream()
          .onNext(
              PipelineResponse.newBuilder()
                  .addResults(
                      OperationResult.newBuilder()
                          .setId(again.getId())
                          .setPut(ScriptedNode.stored("c", 1)))
                  .build());
      assertEquals(1, put.get().versionsHeld());
    }
  }

  @Test
  void aWriteWhoseStreamsKeepBreakingIsUnknown() throws Exception {
    try (KindredPipeline pipeline = client.pipeline()) {
      CompletableFuture<WriteResult> put = pipeline.put(KEY, Value.of("milk"));
      for (int attempt = 0; attempt < 4; attempt++) {
        groups.take().stream().onError(Status.UNAVAILABLE.asRuntimeException());
      }
      ExecutionException error = assertThrows(ExecutionException.class, put::get);
      KindredException failure = assertInstanceOf(KindredException.class, error.getCause());
      assertEquals(WriteOutcome.UNKNOWN, failure.outcome());
      assertEquals(4, failure.attempts());
    }
  }

  @Test
  void sendsWhatHasNoAnswerAgainWhateverEndsTheStream() throws Exception {
    try (KindredPipeline pipeline = client.pipeline()) {
      CompletableFuture<GetResult> get = pipeline.get(KEY);
      groups.take().stream().onError(Status.RESOURCE_EXHAUSTED.asRuntimeException());
      answer(groups.take());
      assertInstanceOf(GetResult.Found.class, get.get());
    }
  }

  @Test
  void refusesAnOperationThatNoStreamTakes() throws Exception {
    try (KindredPipeline pipeline = client.pipeline(1)) {
      CompletableFuture<WriteResult> put = pipeline.put(KEY, Value.of("x".repeat((3 << 20) + 1)));
      ExecutionException error = assertThrows(ExecutionException.class, put::get);
      KindredException failure = assertInstanceOf(KindredException.class, error.getCause());
      assertEquals(ErrorReason.TOO_LARGE, failure.reason());
      assertEquals(WriteOutcome.NOT_APPLIED, failure.outcome());
      // It has made room, and disturbs nobody.
      CompletableFuture<GetResult> get = pipeline.get(KEY);
      answer(groups.take());
      assertInstanceOf(GetResult.Found.class, get.get());
    }
  }

  @Test
  void noGroupIsLargerThanAMebibyteUnlessItIsOneOperation() throws Exception {
    try (KindredPipeline pipeline = client.pipeline()) {
      String text = "x".repeat(700_000);
      for (int i = 0; i < 20; i++) {
        pipeline.put(KEY, Value.of(text));
      }
      int count = 0;
      while (count < 20) {
        Group group = groups.take();
        assertEquals(1, group.operations().size());
        count++;
        group.stream()
            .onNext(
                PipelineResponse.newBuilder()
                    .addResults(
                        OperationResult.newBuilder()
                            .setId(group.operations().get(0).getId())
                            .setPut(ScriptedNode.stored("c", 1)))
                    .build());
      }
    }
  }

  @Test
  void anOperationWithoutAnAnswerEndsInTime() throws Exception {
    try (KindredClient impatient = client(Duration.ofMillis(200));
        KindredPipeline pipeline = impatient.pipeline()) {
      CompletableFuture<WriteResult> put = pipeline.put(KEY, Value.of("milk"));
      Operation operation = groups.take().operations().get(0);
      assertTrue(operation.getTimeout().getNanos() <= 200_000_000);
      ExecutionException error = assertThrows(ExecutionException.class, put::get);
      KindredException failure = assertInstanceOf(KindredException.class, error.getCause());
      assertEquals(Status.Code.DEADLINE_EXCEEDED, failure.code());
      assertEquals(WriteOutcome.UNKNOWN, failure.outcome());
    }
  }

  @Test
  void closingWaitsForAnswers() throws Exception {
    KindredPipeline pipeline = client.pipeline();
    CompletableFuture<GetResult> get = pipeline.get(KEY);
    CompletableFuture<Void> closed = CompletableFuture.runAsync(pipeline::close);
    Group group = groups.take();
    assertFalse(closed.isDone());
    answer(group);
    closed.get();
    // Its answer is there: nothing more has to come for it.
    assertNotNull(get.get(5, TimeUnit.SECONDS));
    assertThrows(IllegalStateException.class, () -> pipeline.get(KEY));
  }

  @Test
  void anOperationThatTheCallerTimesOutMakesRoom() throws Exception {
    try (KindredPipeline pipeline = client.pipeline(1)) {
      CompletableFuture<GetResult> slow = pipeline.get(KEY).orTimeout(20, TimeUnit.MILLISECONDS);
      groups.take();
      CompletableFuture<GetResult> next = pipeline.get(KEY);
      assertInstanceOf(
          TimeoutException.class, assertThrows(ExecutionException.class, slow::get).getCause());
      answer(groups.take());
      assertInstanceOf(GetResult.Found.class, next.get());
    }
  }

  @Test
  void aCancelledOperationMakesRoom() throws Exception {
    try (KindredPipeline pipeline = client.pipeline(1)) {
      pipeline.get(KEY).cancel(true);
      Key other = Key.of("default", "b");
      CompletableFuture<GetResult> next = pipeline.get(other);
      // The cancelled one may have left already.
      Group group = groups.take();
      boolean alone =
          group.operations().stream()
              .noneMatch(operation -> operation.getGet().getKey().equals(Requests.key(other)));
      answer(alone ? groups.take() : group);
      assertInstanceOf(GetResult.Found.class, next.get());
    }
  }
}
