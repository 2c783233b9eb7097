package io.kindred.client;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * One address and the channel to it. gRPC connects again by itself, but its back-off grows to two
 * minutes and cannot be configured: here it is reset each second, so that a node which is back is
 * used again soon.
 */
final class Endpoint {

  private static final long RECONNECT_MILLIS = 1_000;

  /** How long a connection may take before others are asked in its place. */
  private static final long CONNECT_NANOS = 1_000_000_000L;

  private final String address;
  private final ManagedChannel channel;
  private final ScheduledExecutorService timer;

  /** Since when there is no connection, if there is none. */
  private volatile long connectingNanos = System.nanoTime();

  Endpoint(String address, ManagedChannel channel, ScheduledExecutorService timer) {
    this.address = address;
    this.channel = channel;
    this.timer = timer;
    watch(channel.getState(true));
  }

  String address() {
    return address;
  }

  ManagedChannel channel() {
    return channel;
  }

  /** The state of the connection; a channel that rests begins to connect. */
  ConnectivityState connect() {
    ConnectivityState state = channel.getState(false);
    if (state != ConnectivityState.IDLE) {
      return state;
    }
    connectingNanos = System.nanoTime();
    return channel.getState(true);
  }

  /**
   * Whether it is connected, or has begun to connect just now. A machine that is gone answers
   * nothing at all: connecting to it ends late, and begins anew each time.
   */
  boolean isNear(long nowNanos) {
    return switch (connect()) {
      case READY -> true;
      case IDLE, CONNECTING -> nowNanos - connectingNanos < CONNECT_NANOS;
      case TRANSIENT_FAILURE, SHUTDOWN -> false;
    };
  }

  private void watch(ConnectivityState state) {
    if (state == ConnectivityState.SHUTDOWN) {
      return;
    }
    channel.notifyWhenStateChanged(
        state,
        () -> {
          ConnectivityState next = channel.getState(false);
          if (next == ConnectivityState.TRANSIENT_FAILURE) {
            reconnectLater();
          }
          watch(next);
        });
  }

  private void reconnectLater() {
    try {
      timer.schedule(
          () -> {
            if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
              channel.resetConnectBackoff();
              reconnectLater();
            }
          },
          RECONNECT_MILLIS,
          TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException closed) {
      // The client is closing, and with it this channel.
    }
  }

  @Override
  public String toString() {
    return address;
  }
}
