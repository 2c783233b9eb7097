package io.kindred.examples;

import io.kindred.client.BlindWrite;
import io.kindred.client.ErrorReason;
import io.kindred.client.Key;
import io.kindred.client.KindredAsyncClient;
import io.kindred.client.KindredClient;
import io.kindred.client.KindredException;
import io.kindred.client.PutOptions;
import io.kindred.client.RequestId;
import io.kindred.client.Value;
import io.kindred.client.WriteOptions;
import io.kindred.client.WriteOutcome;
import io.kindred.client.WriteState;
import java.util.concurrent.CompletionException;

/** Futures, and what an error says of a write. */
public final class Outcomes {

  /**
   * Runs the example.
   *
   * @param nodes the nodes of a cluster, as host:port
   */
  public static void main(String[] nodes) {
    try (KindredAsyncClient client = KindredClient.builder().endpoints(nodes).buildAsync()) {
      Key order = Key.of("default", "order/17");

      // An id of your own outlives your process: the same write may be sent again after a restart.
      RequestId id = RequestId.random();
      WriteOptions named = WriteOptions.builder().requestId(id).build();
      client
          .put(order, Value.of("paid"), PutOptions.DEFAULT.withWrite(named))
          .thenCompose(result -> client.writeOutcome(order, id))
          .thenAccept(state -> System.out.println("seen: " + (state instanceof WriteState.Applied)))
          .join();

      client
          .put(order, Value.of("open"), BlindWrite.REJECT)
          .handle((result, error) -> describe(error))
          .thenAccept(System.out::println)
          .join();
    }
  }

  private static String describe(Throwable error) {
    Throwable cause = error instanceof CompletionException ? error.getCause() : error;
    if (!(cause instanceof KindredException failure)) {
      return "stored";
    }
    if (failure.reason() == ErrorReason.KEY_EXISTS) {
      return "refused, and certainly not applied: "
          + (failure.outcome() == WriteOutcome.NOT_APPLIED);
    }
    return failure.getMessage();
  }

  private Outcomes() {}
}
