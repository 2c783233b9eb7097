package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.kindred.client.BatchItem.Failure;
import io.kindred.client.BatchItem.Success;
import io.kindred.v1.BatchGetResponse;
import io.kindred.v1.BatchWriteResponse;
import io.kindred.v1.ErrorDetail;
import io.kindred.v1.ErrorReason;
import io.kindred.v1.ItemStatus;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class BatchTest {

  private static final AtomicInteger NAMES = new AtomicInteger();
  private static final List<Key> KEYS =
      Stream.of("a", "b", "c").map(name -> Key.of("default", name)).toList();

  private final ScriptedNode node = new ScriptedNode("batch-" + NAMES.incrementAndGet());
  private final KindredClient client =
      KindredClient.builder()
          .endpoints(node.name())
          .channels(InProcessChannelBuilder::forName)
          .build();

  @AfterEach
  void close() {
    client.close();
    node.close();
  }

  private static BatchGetResponse found(int index, String text) {
    return BatchGetResponse.newBuilder()
        .setIndex(index)
        .setResult(ScriptedNode.found("c", text))
        .build();
  }

  private static ItemStatus status(Status.Code code, ErrorDetail.Builder detail) {
    return ItemStatus.newBuilder().setCode(code.value()).setDetail(detail).build();
  }

  private static final ItemStatus OVERLOADED =
      status(
          Status.Code.RESOURCE_EXHAUSTED,
          ScriptedNode.detail(
              ErrorReason.ERROR_REASON_NODE_OVERLOADED,
              io.kindred.v1.WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
              true));
  private static final ItemStatus NO_BUCKET =
      status(
          Status.Code.NOT_FOUND,
          ScriptedNode.detail(
              ErrorReason.ERROR_REASON_BUCKET_UNKNOWN,
              io.kindred.v1.WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
              true));

  @Test
  void readsOnlyWhatIsOpenAgain() {
    node.onBatchGet =
        (request, answers) -> {
          if (node.batchGets.size() == 1) {
            answers.onNext(found(2, "C"));
            answers.onNext(BatchGetResponse.newBuilder().setIndex(0).setStatus(OVERLOADED).build());
            answers.onError(Status.UNAVAILABLE.asRuntimeException());
          } else {
            answers.onNext(found(1, "B"));
            answers.onNext(found(0, "A"));
            answers.onCompleted();
          }
        };
    List<BatchItem<GetResult>> items = client.batchGet(KEYS);
    assertEquals(
        List.of("A", "B", "C"),
        items.stream().map(item -> ((GetResult.Found) item.orThrow()).value().text()).toList());
    assertEquals(List.of(0, 1, 2), items.stream().map(BatchItem::index).toList());
    assertEquals(
        List.of("a", "b"),
        node.batchGets.get(1).getKeysList().stream()
            .map(key -> key.getKey().toStringUtf8())
            .toList());
  }

  private static BatchWriteResponse.Builder item(int index) {
    return BatchWriteResponse.newBuilder().setIndex(index);
  }

  @Test
  void writesOnlyWhatIsOpenAgainUnderTheSameIds() {
    node.onBatchWrite =
        (request, answers) -> {
          if (node.batchWrites.size() == 1) {
            answers.onNext(item(0).setStatus(NO_BUCKET).build());
            answers.onNext(item(1).setPut(ScriptedNode.stored("c", 1)).build());
            answers.onError(Status.UNAVAILABLE.asRuntimeException());
          } else {
            answers.onNext(item(0).setStatus(NO_BUCKET).build());
            answers.onCompleted();
          }
        };
    RequestId batch = RequestId.copyOf(new byte[16]);
    List<BatchItem<WriteResult>> items =
        client.batchWrite(
            List.of(
                Mutation.put(KEYS.get(0), Value.of("A")),
                Mutation.put(KEYS.get(1), Value.of("B")),
                Mutation.delete(KEYS.get(2))),
            WriteOptions.builder().requestId(batch).build());
    List<io.kindred.v1.Mutation> first = node.batchWrites.get(0).getMutationsList();
    assertEquals(first.subList(2, 3), node.batchWrites.get(1).getMutationsList());
    assertEquals(batch.toByteString(), first.get(0).getPut().getOptions().getRequestId());
    RequestId last = RequestId.copyOf(new byte[] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2});
    assertEquals(last.toByteString(), first.get(2).getDelete().getOptions().getRequestId());
    // Told as not applied, and never sent again.
    assertEquals(
        WriteOutcome.NOT_APPLIED, assertInstanceOf(Failure.class, items.get(0)).error().outcome());
    assertInstanceOf(Success.class, items.get(1));
    KindredException error = assertInstanceOf(Failure.class, items.get(2)).error();
    // The first attempt broke off with this item under way.
    assertEquals(WriteOutcome.UNKNOWN, error.outcome());
    assertEquals(io.kindred.client.ErrorReason.BUCKET_UNKNOWN, error.reason());
    assertEquals(last, error.requestId().orElseThrow());
  }

  @Test
  void anItemWithOptionsOfItsOwnHasTheIdOfItsPosition() {
    node.onBatchWrite =
        (request, answers) -> {
          answers.onNext(item(0).setPut(ScriptedNode.stored("c", 1)).build());
          answers.onNext(item(1).setPut(ScriptedNode.stored("c", 1)).build());
          answers.onCompleted();
        };
    RequestId batch = RequestId.random();
    RequestId own = RequestId.random();
    PutOptions all = PutOptions.DEFAULT.withWrite(WriteOptions.at(Consistency.ALL));
    PutOptions named = PutOptions.DEFAULT.withWrite(WriteOptions.builder().requestId(own).build());
    client.batchWrite(
        List.of(
            new Mutation.Put(KEYS.get(0), Value.of("A"), named),
            new Mutation.Put(KEYS.get(1), Value.of("B"), all)),
        WriteOptions.builder().requestId(batch).build());
    List<io.kindred.v1.Mutation> sent = node.batchWrites.get(0).getMutationsList();
    assertEquals(own.toByteString(), sent.get(0).getPut().getOptions().getRequestId());
    io.kindred.v1.WriteOptions second = sent.get(1).getPut().getOptions();
    assertEquals(batch.ofItem(1).toByteString(), second.getRequestId());
    assertEquals(io.kindred.v1.ConsistencyLevel.CONSISTENCY_LEVEL_ALL, second.getConsistency());
  }

  @Test
  void aBatchThatIsRefusedAsAWholeFailsAsAWhole() {
    node.onBatchGet =
        (request, answers) ->
            answers.onError(
                ScriptedNode.failure(
                    Status.Code.INVALID_ARGUMENT,
                    ScriptedNode.detail(
                        ErrorReason.ERROR_REASON_TOO_LARGE,
                        io.kindred.v1.WriteOutcome.WRITE_OUTCOME_UNSPECIFIED,
                        true)));
    KindredException error = assertThrows(KindredException.class, () -> client.batchGet(KEYS));
    assertEquals(io.kindred.client.ErrorReason.TOO_LARGE, error.reason());
  }

  @Test
  void tellsOfItemsAsTheyCome() {
    node.onBatchGet =
        (request, answers) -> {
          answers.onNext(found(1, "B"));
          answers.onNext(found(2, "C"));
          answers.onNext(found(0, "A"));
          answers.onCompleted();
        };
    StringBuilder order = new StringBuilder();
    client.batchGet(KEYS, ReadOptions.DEFAULT, item -> order.append(item.index()));
    assertEquals("120", order.toString());
  }
}
