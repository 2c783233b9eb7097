package io.kindred.client;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/**
 * The channels of a client, one for each address. Takes turns between those that are connected, and
 * passes over those that are known to be broken while there are others.
 */
final class EndpointPool {

  private final List<Endpoint> seeds;

  /** The seeds, and the nodes that direct routing has learned of. */
  private final Map<String, Endpoint> byAddress = new ConcurrentHashMap<>();

  private final Function<String, ManagedChannel> connect;
  private final ScheduledExecutorService timer;
  private final AtomicInteger turn = new AtomicInteger();
  private volatile boolean closed;

  EndpointPool(
      List<String> addresses,
      Function<String, ManagedChannel> connect,
      ScheduledExecutorService timer) {
    this.connect = connect;
    this.timer = timer;
    this.seeds = addresses.stream().distinct().map(this::at).toList();
  }

  /** The endpoint of an address, made if it is new. */
  Endpoint at(String address) {
    return byAddress.computeIfAbsent(
        address, name -> new Endpoint(name, connect.apply(name), timer));
  }

  /**
   * Whose turn it is.
   *
   * @param last where the attempt before was sent, which is taken only if no other will do; or null
   */
  Endpoint next(Endpoint last) {
    if (closed) {
      throw Status.UNAVAILABLE.withDescription("the client is closed").asRuntimeException();
    }
    int start = turn.getAndIncrement();
    Endpoint connecting = null;
    Endpoint any = null;
    for (int i = 0; i < seeds.size(); i++) {
      Endpoint endpoint = seeds.get(Math.floorMod(start + i, seeds.size()));
      if (endpoint == last) {
        continue;
      }
      ConnectivityState state = endpoint.connect();
      if (state == ConnectivityState.READY) {
        return endpoint;
      }
      if (connecting == null && state != ConnectivityState.TRANSIENT_FAILURE) {
        connecting = endpoint;
      }
      any = any == null ? endpoint : any;
    }
    if (last != null && last.connect() == ConnectivityState.READY) {
      return last;
    }
    if (connecting != null) {
      return connecting;
    }
    return any != null ? any : last;
  }

  void close() {
    closed = true;
    byAddress.values().forEach(endpoint -> endpoint.channel().shutdownNow());
    boolean interrupted = false;
    for (Endpoint endpoint : byAddress.values()) {
      try {
        endpoint.channel().awaitTermination(1, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        interrupted = true;
        break;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
