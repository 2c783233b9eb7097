package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.kindred.v1.ErrorReason;
import io.kindred.v1.GetResponse;
import io.kindred.v1.PutResponse;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class UpdateTest {

  private static final AtomicInteger NAMES = new AtomicInteger();
  private static final Key KEY = Key.of("carts", "ann");
  private static final Resolver UNION =
      Resolvers.union(
          value -> Arrays.asList(value.text().split(",")),
          items -> Value.of(String.join(",", items)));

  private final ScriptedNode node = new ScriptedNode("update-" + NAMES.incrementAndGet());
  private final KindredClient client =
      KindredClient.builder()
          .endpoints(node.name())
          .resolver("carts", UNION)
          .channels(InProcessChannelBuilder::forName)
          .build();
  private final AtomicInteger steps = new AtomicInteger();

  @AfterEach
  void close() {
    client.close();
    node.close();
  }

  /** Answers reads one after the other; the last one for ever. */
  private void reads(GetResponse... answers) {
    Deque<GetResponse> left = new ArrayDeque<>(List.of(answers));
    node.onGet =
        (request, answer) ->
            ScriptedNode.succeed(answer, left.size() > 1 ? left.poll() : left.peek());
  }

  /** Answers puts one after the other, with a result or an error; the last one for ever. */
  private void writes(Object... answers) {
    Deque<Object> left = new ArrayDeque<>(List.of(answers));
    node.onPut =
        (request, answer) -> {
          Object next = left.size() > 1 ? left.poll() : left.peek();
          if (next instanceof PutResponse result) {
            ScriptedNode.succeed(answer, result);
          } else {
            answer.onError((RuntimeException) next);
          }
        };
  }

  private static RuntimeException tooManySiblings() {
    return ScriptedNode.failure(
        Status.Code.FAILED_PRECONDITION,
        ScriptedNode.detail(
            ErrorReason.ERROR_REASON_TOO_MANY_SIBLINGS,
            io.kindred.v1.WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
            true));
  }

  private Update add(Optional<Value> current, String item) {
    steps.incrementAndGet();
    return Update.put(Value.of(current.map(value -> value.text() + "," + item).orElse(item)));
  }

  private List<String> written() {
    return node.puts.stream()
        .map(put -> put.getContext().toStringUtf8() + ":" + put.getValue().getData().toStringUtf8())
        .toList();
  }

  @Test
  void writesWithTheContextOfTheRead() {
    reads(ScriptedNode.found("c1", "milk"));
    writes(ScriptedNode.stored("c2", 1));
    UpdateResult result = client.update(KEY, current -> add(current, "eggs"));
    assertEquals(List.of("c1:milk,eggs"), written());
    assertEquals("milk,eggs", result.value().orElseThrow().text());
    assertEquals(
        io.kindred.v1.ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
        node.gets.get(0).getOptions().getConsistency());
  }

  @Test
  void resolvesBeforeTheStep() {
    reads(ScriptedNode.conflict("c1", "eggs", "bread"));
    writes(ScriptedNode.stored("c2", 1));
    client.update(KEY, current -> add(current, "milk"));
    assertEquals(List.of("c1:bread,eggs,milk"), written());
  }

  @Test
  void withoutAResolverAConflictIsTheCallers() {
    reads(ScriptedNode.conflict("c1", "eggs", "bread"));
    ConflictException error =
        assertThrows(
            ConflictException.class,
            () -> client.update(Key.of("default", "ann"), current -> add(current, "milk")));
    assertFalse(error.applied());
    assertEquals(WriteOutcome.NOT_APPLIED, error.outcome());
    assertEquals(2, error.versions().size());
    assertEquals(CausalContext.of(ScriptedNode.bytes("c1")), error.context());
    assertEquals(0, steps.get());
  }

  @Test
  void beginsAgainAfterALostRace() {
    reads(ScriptedNode.found("c1", "milk"), ScriptedNode.found("c2", "milk,salt"));
    writes(tooManySiblings(), ScriptedNode.stored("c3", 1));
    client.update(KEY, current -> add(current, "eggs"));
    assertEquals(List.of("c1:milk,eggs", "c2:milk,salt,eggs"), written());
    assertEquals(2, steps.get());
    assertFalse(
        node.puts
            .get(0)
            .getOptions()
            .getRequestId()
            .equals(node.puts.get(1).getOptions().getRequestId()));
  }

  @Test
  void givesUpAfterSoManyLostRaces() {
    reads(ScriptedNode.found("c1", "milk"));
    writes(tooManySiblings());
    ConflictException error =
        assertThrows(
            ConflictException.class,
            () ->
                client.update(
                    KEY,
                    current -> add(current, "eggs"),
                    UpdateOptions.DEFAULT.withAttemptsMax(3)));
    assertEquals(3, steps.get());
    assertFalse(error.applied());
    assertEquals(io.kindred.client.ErrorReason.TOO_MANY_SIBLINGS, error.reason());
  }

  @Test
  void resolvesARacedWriteWithoutTheStep() {
    reads(ScriptedNode.found("c1", "milk"), ScriptedNode.conflict("c3", "milk,eggs", "salt"));
    writes(ScriptedNode.stored("c2", 2), ScriptedNode.stored("c4", 1));
    UpdateResult result = client.update(KEY, current -> add(current, "eggs"));
    assertEquals(List.of("c1:milk,eggs", "c3:eggs,milk,salt"), written());
    assertEquals("c2", node.gets.get(1).getOptions().getMinContext().toStringUtf8());
    assertEquals(1, steps.get());
    assertEquals("eggs,milk,salt", result.value().orElseThrow().text());
    assertEquals(1, result.versionsHeld());
  }

  @Test
  void aWriteThatKeepsRacingIsAppliedAllTheSame() {
    reads(ScriptedNode.found("c1", "milk"), ScriptedNode.conflict("c3", "milk,eggs", "salt"));
    writes(ScriptedNode.stored("c2", 2));
    ConflictException error =
        assertThrows(
            ConflictException.class,
            () ->
                client.update(
                    KEY,
                    current -> add(current, "eggs"),
                    UpdateOptions.DEFAULT.withAttemptsMax(2)));
    assertTrue(error.applied());
    assertEquals(1, steps.get());
    assertEquals(3, node.puts.size());
  }

  @Test
  void aResolverThatFailsAfterTheWriteDoesNotHideIt() {
    reads(ScriptedNode.found("c1", "milk"), ScriptedNode.conflict("c3", "milk,eggs", "salt"));
    writes(ScriptedNode.stored("c2", 2));
    IllegalStateException thrown = new IllegalStateException("no");
    Resolver broken =
        versions -> {
          throw thrown;
        };
    ConflictException error =
        assertThrows(
            ConflictException.class,
            () ->
                client.update(
                    KEY,
                    current -> add(current, "eggs"),
                    UpdateOptions.DEFAULT.withResolver(broken)));
    assertTrue(error.applied());
    assertSame(thrown, error.getCause());
    assertEquals(2, error.versions().size());
    assertEquals(CausalContext.of(ScriptedNode.bytes("c3")), error.context());
  }

  @Test
  void resolvingKeepsTheExpiry() {
    reads(ScriptedNode.found("c1", "milk"), ScriptedNode.conflict("c3", "milk,eggs", "salt"));
    writes(ScriptedNode.stored("c2", 2), ScriptedNode.stored("c4", 1));
    client.update(
        KEY,
        current -> add(current, "eggs"),
        UpdateOptions.DEFAULT.withExpiry(Expiry.after(Duration.ofHours(1))));
    assertTrue(node.puts.get(0).hasTtl());
    assertFalse(node.puts.get(1).hasTtl());
    assertTrue(node.puts.get(1).getKeepExpiry());
  }

  @Test
  void refusesReadsThatHideWhatTheWriteSupersedes() {
    for (ReadOptions.Builder read :
        List.of(
            ReadOptions.builder().onConflict(ConflictMode.PICK_LATEST),
            ReadOptions.builder().omitData(true))) {
      assertThrows(
          IllegalArgumentException.class, () -> UpdateOptions.DEFAULT.withRead(read.build()));
    }
  }

  @Test
  void withoutAResolverARacedWriteSaysSo() {
    reads(ScriptedNode.found("c1", "milk"));
    writes(ScriptedNode.stored("c2", 2));
    UpdateResult result = client.update(Key.of("default", "ann"), current -> add(current, "eggs"));
    assertEquals(2, result.versionsHeld());
    assertEquals(1, node.gets.size());
  }

  @Test
  void doesNotRunTheStepAgainAfterAnUnknownOutcome() {
    reads(ScriptedNode.found("c1", "milk"));
    writes(
        ScriptedNode.failure(
            Status.Code.ABORTED,
            ScriptedNode.detail(
                ErrorReason.ERROR_REASON_TOO_MANY_SIBLINGS,
                io.kindred.v1.WriteOutcome.WRITE_OUTCOME_UNKNOWN,
                true)));
    KindredException error =
        assertThrows(
            KindredException.class, () -> client.update(KEY, current -> add(current, "eggs")));
    assertEquals(WriteOutcome.UNKNOWN, error.outcome());
    assertEquals(1, steps.get());
  }

  @Test
  void keepWritesNothing() {
    reads(ScriptedNode.found("c1", "milk"));
    UpdateResult result = client.update(KEY, current -> Update.keep());
    assertEquals("milk", result.value().orElseThrow().text());
    assertEquals(List.of(), node.puts);
  }

  @Test
  void deleteDeletesWhatWasRead() {
    reads(ScriptedNode.found("c1", "milk"));
    UpdateResult result = client.update(KEY, current -> Update.delete());
    assertEquals(Optional.empty(), result.value());
    assertEquals("c1", node.deletes.get(0).getContext().toStringUtf8());
  }

  @Test
  void whatTheStepThrowsComesOut() {
    reads(ScriptedNode.found("c1", "milk"));
    IllegalStateException thrown = new IllegalStateException("no");
    assertSame(
        thrown,
        assertThrows(
            IllegalStateException.class,
            () ->
                client.update(
                    KEY,
                    current -> {
                      throw thrown;
                    })));
  }
}
