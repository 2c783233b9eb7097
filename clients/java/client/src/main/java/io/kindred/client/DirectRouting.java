package io.kindred.client;

import io.grpc.Context;
import io.kindred.v1.GetPlacementRequest;
import io.kindred.v1.GetPlacementResponse;
import io.kindred.v1.TopologyServiceGrpc;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Sends each key to one of its homes, which saves a hop. Learns the table of a bucket when the
 * bucket is first used, and again when a report is of another layout, at most once a second. Until
 * a table is there, and where no home is connected, any node will do.
 */
final class DirectRouting {

  private static final long REFRESH_NANOS = 1_000_000_000L;

  private final Engine engine;
  private final Map<String, Table> tables = new ConcurrentHashMap<>();

  DirectRouting(Engine engine) {
    this.engine = engine;
  }

  /** The first home that is connected, or may be in a moment. */
  Optional<Endpoint> home(Key key) {
    Placement placement = table(key.bucket()).placement;
    if (placement == null) {
      return Optional.empty();
    }
    return placement.homeAddresses(key).stream()
        .map(address -> engine.pool().at(address))
        .filter(endpoint -> endpoint.isNear(System.nanoTime()))
        .findFirst();
  }

  /** Notes of which layout a report was. */
  void observe(String bucket, long topologyEpoch) {
    Table table = table(bucket);
    Placement placement = table.placement;
    boolean differs = placement == null || placement.topologyEpoch() != topologyEpoch;
    if (topologyEpoch != 0 && differs && table.mayAsk()) {
      table.fetch();
    }
  }

  /** The table of a bucket, waited for if it is not known. */
  CompletableFuture<Placement> placement(String bucket) {
    Table table = table(bucket);
    Placement known = table.placement;
    return known != null ? CompletableFuture.completedFuture(known) : table.fetch();
  }

  private Table table(String bucket) {
    Table known = tables.get(bucket);
    if (known != null) {
      return known;
    }
    Table table = new Table(bucket);
    Table other = tables.putIfAbsent(bucket, table);
    if (other != null) {
      return other;
    }
    table.fetch();
    return table;
  }

  /** What is known of one bucket. */
  private final class Table {
    private final String bucket;
    private volatile Placement placement;
    private CompletableFuture<Placement> fetching = new CompletableFuture<>();
    private boolean asked;
    private long askedNanos;

    Table(String bucket) {
      this.bucket = bucket;
    }

    synchronized boolean mayAsk() {
      return System.nanoTime() - askedNanos >= REFRESH_NANOS;
    }

    /** Asks a node, unless that is under way. A failure leaves the old table, or none. */
    synchronized CompletableFuture<Placement> fetch() {
      if (!asked || fetching.isDone()) {
        asked = true;
        askedNanos = System.nanoTime();
        fetching = new CompletableFuture<>();
        CompletableFuture<Placement> answer = fetching;
        // Not in the context of the caller, which may end before the answer comes.
        Context.ROOT.run(
            () ->
                engine
                    .<GetPlacementRequest, GetPlacementResponse, Placement>read(
                        TopologyServiceGrpc.getGetPlacementMethod(),
                        GetPlacementRequest.newBuilder().setBucket(bucket).build(),
                        Optional.empty(),
                        Placement::of)
                    .whenComplete((table, error) -> fetched(answer, table, error)));
      }
      // A copy: whoever cancels it does not cancel it for the others.
      return fetching.copy();
    }

    private void fetched(CompletableFuture<Placement> answer, Placement table, Throwable error) {
      if (error == null) {
        placement = table;
        answer.complete(table);
      } else {
        answer.completeExceptionally(error);
      }
    }
  }
}
