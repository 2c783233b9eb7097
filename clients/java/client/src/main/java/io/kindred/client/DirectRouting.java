package io.kindred.client;

import io.grpc.ConnectivityState;
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

  /** The first home that is connected. */
  Optional<Endpoint> home(Key key) {
    Table table = table(key.bucket());
    Placement placement = table.placement;
    if (placement == null) {
      return Optional.empty();
    }
    for (String address : placement.homeAddresses(key)) {
      Endpoint endpoint = engine.pool().at(address);
      if (endpoint.connect() == ConnectivityState.READY) {
        return Optional.of(endpoint);
      }
    }
    return Optional.empty();
  }

  /** Notes of which layout a report was. */
  void observe(String bucket, long topologyEpoch) {
    Table table = table(bucket);
    Placement placement = table.placement;
    if (topologyEpoch != 0 && (placement == null || placement.topologyEpoch() != topologyEpoch)) {
      refresh(bucket, table);
    }
  }

  /** The table of a bucket, waited for if it is not known. */
  CompletableFuture<Placement> placement(String bucket) {
    Placement known = table(bucket).placement;
    return known != null ? CompletableFuture.completedFuture(known) : fetch(bucket);
  }

  private Table table(String bucket) {
    Table known = tables.get(bucket);
    if (known != null) {
      return known;
    }
    Table table = new Table();
    Table other = tables.putIfAbsent(bucket, table);
    if (other != null) {
      return other;
    }
    refresh(bucket, table);
    return table;
  }

  private void refresh(String bucket, Table table) {
    long now = System.nanoTime();
    synchronized (table) {
      if (table.asked && now - table.askedNanos < REFRESH_NANOS) {
        return;
      }
      table.asked = true;
      table.askedNanos = now;
    }
    // Not in the context of the caller, which may end before the answer comes. A failure leaves the
    // old
    // table, or none: requests go on, and the next report asks again.
    Context.ROOT.run(() -> fetch(bucket).thenAccept(placement -> table.placement = placement));
  }

  private CompletableFuture<Placement> fetch(String bucket) {
    return engine.<GetPlacementRequest, GetPlacementResponse, Placement>read(
        TopologyServiceGrpc.getGetPlacementMethod(),
        GetPlacementRequest.newBuilder().setBucket(bucket).build(),
        Optional.empty(),
        Placement::of);
  }

  private static final class Table {
    private volatile Placement placement;
    private boolean asked;
    private long askedNanos;
  }
}
