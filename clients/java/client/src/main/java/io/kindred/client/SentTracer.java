package io.kindred.client;

import io.grpc.ClientStreamTracer;
import io.grpc.Metadata;

/**
 * Notes whether a call has reached the socket. A write that never did is certainly not applied;
 * gRPC tells of it in no other way.
 */
final class SentTracer extends ClientStreamTracer {

  private volatile boolean sent;

  boolean sent() {
    return sent;
  }

  @Override
  public void outboundHeaders() {
    sent = true;
  }

  ClientStreamTracer.Factory factory() {
    return new ClientStreamTracer.Factory() {
      @Override
      public ClientStreamTracer newClientStreamTracer(StreamInfo info, Metadata headers) {
        return SentTracer.this;
      }
    };
  }
}
