package io.kindred.client;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class EndpointTest {

  private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
  private final FixedChannel channel = new FixedChannel();
  private final Endpoint endpoint = new Endpoint("a:1", channel, timer);

  @AfterEach
  void close() {
    timer.shutdownNow();
  }

  private boolean isNearAfter(long millis) {
    return endpoint.isNear(System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis));
  }

  @Test
  void oneThatNeverConnectsIsGivenASecond() {
    assertTrue(isNearAfter(0));
    assertFalse(isNearAfter(1_000));
    // Each attempt ends at some time, and another begins.
    channel.state = ConnectivityState.TRANSIENT_FAILURE;
    assertFalse(isNearAfter(0));
    channel.state = ConnectivityState.CONNECTING;
    assertFalse(isNearAfter(1_000));
  }

  @Test
  void oneThatIsConnectedStaysNear() {
    channel.state = ConnectivityState.READY;
    assertTrue(isNearAfter(100_000));
  }

  /** A channel in a state that the test says. */
  private static final class FixedChannel extends ManagedChannel {
    private volatile ConnectivityState state = ConnectivityState.CONNECTING;

    @Override
    public ConnectivityState getState(boolean requestConnection) {
      return state;
    }

    @Override
    public void notifyWhenStateChanged(ConnectivityState source, Runnable callback) {
      // The test asks for the state itself.
    }

    @Override
    public ManagedChannel shutdown() {
      return this;
    }

    @Override
    public boolean isShutdown() {
      return false;
    }

    @Override
    public boolean isTerminated() {
      return false;
    }

    @Override
    public ManagedChannel shutdownNow() {
      return this;
    }

    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) {
      return true;
    }

    @Override
    public <Q, R> ClientCall<Q, R> newCall(MethodDescriptor<Q, R> method, CallOptions options) {
      throw new UnsupportedOperationException();
    }

    @Override
    public String authority() {
      return "a:1";
    }
  }
}
