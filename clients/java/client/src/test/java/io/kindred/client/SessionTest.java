package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.stub.StreamObserver;
import io.kindred.v1.PutRequest;
import io.kindred.v1.PutResponse;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SessionTest {

  private static final AtomicInteger NAMES = new AtomicInteger();
  private static final Key KEY = Key.of("default", "a");
  private static final Key OTHER = Key.of("default", "b");

  private final ScriptedNode node = new ScriptedNode("session-" + NAMES.incrementAndGet());
  private final KindredClient client =
      KindredClient.builder()
          .endpoints(node.name())
          .channels(InProcessChannelBuilder::forName)
          .build();

  SessionTest() {
    node.onPut =
        (request, answer) ->
            ScriptedNode.succeed(answer, ScriptedNode.stored("put" + node.puts.size(), 1));
    node.onGet =
        (request, answer) ->
            ScriptedNode.succeed(answer, ScriptedNode.found("get" + node.gets.size(), "x"));
  }

  @AfterEach
  void close() {
    client.close();
    node.close();
  }

  private String minContext(int get) {
    return node.gets.get(get).getOptions().getMinContext().toStringUtf8();
  }

  private String context(int put) {
    return node.puts.get(put).getContext().toStringUtf8();
  }

  @Test
  void readsAtLeastWhatItWroteAndWritesOverWhatItRead() {
    KindredSession session = client.session();
    session.get(KEY);
    session.put(KEY, Value.of("1"));
    session.get(KEY);
    session.delete(KEY);
    assertEquals("", minContext(0));
    assertEquals("get1", context(0));
    assertEquals("put1", minContext(1));
    assertEquals("get2", node.deletes.get(0).getContext().toStringUtf8());
  }

  @Test
  void theFirstWriteOfAKeyIsBlind() {
    client.session().put(KEY, Value.of("1"));
    assertFalse(node.puts.get(0).hasContext());
    assertFalse(node.puts.get(0).hasBlind());
  }

  @Test
  void keysHaveNothingToDoWithEachOther() {
    KindredSession session = client.session();
    session.put(KEY, Value.of("1"));
    session.get(OTHER);
    assertEquals("", minContext(0));
  }

  @Test
  void updatesReadAtLeastWhatTheSessionKnows() {
    KindredSession session = client.session();
    session.put(KEY, Value.of("1"));
    session.update(KEY, current -> Update.put(Value.of("2")));
    session.get(KEY);
    assertEquals("put1", minContext(0));
    assertEquals("get1", context(1));
    assertEquals("put2", minContext(1));
  }

  @Test
  void forgetsTheKeysUsedLeastRecently() {
    KindredSession session = client.session(1);
    session.put(KEY, Value.of("1"));
    session.put(OTHER, Value.of("1"));
    session.get(OTHER);
    session.get(KEY);
    assertEquals("put2", minContext(0));
    assertEquals("", minContext(1));
  }

  @Test
  void refusesACausalityOfTheCallers() {
    KindredSession session = client.session();
    assertThrows(
        IllegalArgumentException.class,
        () -> session.put(KEY, Value.of("1"), PutOptions.replacing(BlindWrite.REJECT)));
  }

  @Test
  void operationsOnAKeyFollowOneAnother() throws Exception {
    BlockingQueue<StreamObserver<PutResponse>> waiting = new LinkedBlockingQueue<>();
    node.onPut = (PutRequest request, StreamObserver<PutResponse> answer) -> waiting.add(answer);
    KindredAsyncSession session = client.async().session();
    CompletableFuture<WriteResult> one = session.put(KEY, Value.of("1"));
    CompletableFuture<WriteResult> two = session.put(KEY, Value.of("2"));
    CompletableFuture<WriteResult> other = session.put(OTHER, Value.of("3"));
    StreamObserver<PutResponse> first = waiting.take();
    StreamObserver<PutResponse> second = waiting.take();
    // Those on another key do not wait: of the three, two are under way.
    assertTrue(waiting.isEmpty());
    assertEquals(
        List.of("a", "b"),
        node.puts.stream().map(put -> put.getKey().getKey().toStringUtf8()).sorted().toList());
    boolean keyIsFirst = node.puts.get(0).getKey().getKey().toStringUtf8().equals("a");
    ScriptedNode.succeed(keyIsFirst ? first : second, ScriptedNode.stored("one", 1));
    one.get();
    ScriptedNode.succeed(waiting.take(), ScriptedNode.stored("two", 1));
    two.get();
    assertEquals("one", context(2));
    ScriptedNode.succeed(keyIsFirst ? second : first, ScriptedNode.stored("other", 1));
    other.get();
  }

  @Test
  void remembersAWriteThatEndedInAConflict() {
    node.onPut = (request, answer) -> ScriptedNode.succeed(answer, ScriptedNode.stored("mine", 2));
    node.onGet =
        (request, answer) ->
            ScriptedNode.succeed(
                answer,
                node.gets.size() == 1
                    ? ScriptedNode.absent("before")
                    : ScriptedNode.conflict("both", "1", "2"));
    KindredSession session = client.session();
    Resolver broken =
        versions -> {
          throw new IllegalStateException("no");
        };
    assertThrows(
        ConflictException.class,
        () ->
            session.update(
                KEY,
                current -> Update.put(Value.of("1")),
                UpdateOptions.DEFAULT.withResolver(broken)));
    session.get(KEY);
    assertEquals("both", minContext(2));
  }

  @Test
  void aFailureDoesNotStopTheNext() {
    node.onPut =
        (request, answer) -> answer.onError(io.grpc.Status.PERMISSION_DENIED.asRuntimeException());
    KindredSession session = client.session();
    assertThrows(KindredException.class, () -> session.put(KEY, Value.of("1")));
    session.get(KEY);
    assertEquals("", minContext(0));
  }
}
