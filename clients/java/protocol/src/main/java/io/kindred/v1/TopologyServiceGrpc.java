package io.kindred.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Shows the nodes of the cluster and where keys live, as the answering node sees it.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class TopologyServiceGrpc {

  private TopologyServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "kindred.v1.TopologyService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.GetTopologyRequest,
      io.kindred.v1.GetTopologyResponse> getGetTopologyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetTopology",
      requestType = io.kindred.v1.GetTopologyRequest.class,
      responseType = io.kindred.v1.GetTopologyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.GetTopologyRequest,
      io.kindred.v1.GetTopologyResponse> getGetTopologyMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.GetTopologyRequest, io.kindred.v1.GetTopologyResponse> getGetTopologyMethod;
    if ((getGetTopologyMethod = TopologyServiceGrpc.getGetTopologyMethod) == null) {
      synchronized (TopologyServiceGrpc.class) {
        if ((getGetTopologyMethod = TopologyServiceGrpc.getGetTopologyMethod) == null) {
          TopologyServiceGrpc.getGetTopologyMethod = getGetTopologyMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.GetTopologyRequest, io.kindred.v1.GetTopologyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetTopology"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetTopologyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetTopologyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TopologyServiceMethodDescriptorSupplier("GetTopology"))
              .build();
        }
      }
    }
    return getGetTopologyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.WatchTopologyRequest,
      io.kindred.v1.WatchTopologyResponse> getWatchTopologyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchTopology",
      requestType = io.kindred.v1.WatchTopologyRequest.class,
      responseType = io.kindred.v1.WatchTopologyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.kindred.v1.WatchTopologyRequest,
      io.kindred.v1.WatchTopologyResponse> getWatchTopologyMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.WatchTopologyRequest, io.kindred.v1.WatchTopologyResponse> getWatchTopologyMethod;
    if ((getWatchTopologyMethod = TopologyServiceGrpc.getWatchTopologyMethod) == null) {
      synchronized (TopologyServiceGrpc.class) {
        if ((getWatchTopologyMethod = TopologyServiceGrpc.getWatchTopologyMethod) == null) {
          TopologyServiceGrpc.getWatchTopologyMethod = getWatchTopologyMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.WatchTopologyRequest, io.kindred.v1.WatchTopologyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchTopology"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.WatchTopologyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.WatchTopologyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TopologyServiceMethodDescriptorSupplier("WatchTopology"))
              .build();
        }
      }
    }
    return getWatchTopologyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.LocateRequest,
      io.kindred.v1.LocateResponse> getLocateMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Locate",
      requestType = io.kindred.v1.LocateRequest.class,
      responseType = io.kindred.v1.LocateResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.LocateRequest,
      io.kindred.v1.LocateResponse> getLocateMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.LocateRequest, io.kindred.v1.LocateResponse> getLocateMethod;
    if ((getLocateMethod = TopologyServiceGrpc.getLocateMethod) == null) {
      synchronized (TopologyServiceGrpc.class) {
        if ((getLocateMethod = TopologyServiceGrpc.getLocateMethod) == null) {
          TopologyServiceGrpc.getLocateMethod = getLocateMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.LocateRequest, io.kindred.v1.LocateResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Locate"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.LocateRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.LocateResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TopologyServiceMethodDescriptorSupplier("Locate"))
              .build();
        }
      }
    }
    return getLocateMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.GetPlacementRequest,
      io.kindred.v1.GetPlacementResponse> getGetPlacementMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetPlacement",
      requestType = io.kindred.v1.GetPlacementRequest.class,
      responseType = io.kindred.v1.GetPlacementResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.GetPlacementRequest,
      io.kindred.v1.GetPlacementResponse> getGetPlacementMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.GetPlacementRequest, io.kindred.v1.GetPlacementResponse> getGetPlacementMethod;
    if ((getGetPlacementMethod = TopologyServiceGrpc.getGetPlacementMethod) == null) {
      synchronized (TopologyServiceGrpc.class) {
        if ((getGetPlacementMethod = TopologyServiceGrpc.getGetPlacementMethod) == null) {
          TopologyServiceGrpc.getGetPlacementMethod = getGetPlacementMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.GetPlacementRequest, io.kindred.v1.GetPlacementResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetPlacement"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetPlacementRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetPlacementResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TopologyServiceMethodDescriptorSupplier("GetPlacement"))
              .build();
        }
      }
    }
    return getGetPlacementMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static TopologyServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TopologyServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TopologyServiceStub>() {
        @java.lang.Override
        public TopologyServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TopologyServiceStub(channel, callOptions);
        }
      };
    return TopologyServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static TopologyServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TopologyServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TopologyServiceBlockingV2Stub>() {
        @java.lang.Override
        public TopologyServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TopologyServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return TopologyServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static TopologyServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TopologyServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TopologyServiceBlockingStub>() {
        @java.lang.Override
        public TopologyServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TopologyServiceBlockingStub(channel, callOptions);
        }
      };
    return TopologyServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static TopologyServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TopologyServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TopologyServiceFutureStub>() {
        @java.lang.Override
        public TopologyServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TopologyServiceFutureStub(channel, callOptions);
        }
      };
    return TopologyServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Shows the nodes of the cluster and where keys live, as the answering node sees it.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Shows all nodes.
     * </pre>
     */
    default void getTopology(io.kindred.v1.GetTopologyRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetTopologyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetTopologyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows all nodes at once, and again whenever the answering node sees one of them change. The stream ends only with
     * the client, or with UNAVAILABLE when the node shuts down.
     * </pre>
     */
    default void watchTopology(io.kindred.v1.WatchTopologyRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.WatchTopologyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchTopologyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells which nodes keep a key. The key need not exist.
     * </pre>
     */
    default void locate(io.kindred.v1.LocateRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.LocateResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getLocateMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows the whole table of homes of a bucket, for clients that send each key to one of its replicas themselves. Asked
     * once, and again when the topology_epoch of a report differs.
     * </pre>
     */
    default void getPlacement(io.kindred.v1.GetPlacementRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetPlacementResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetPlacementMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service TopologyService.
   * <pre>
   * Shows the nodes of the cluster and where keys live, as the answering node sees it.
   * </pre>
   */
  public static abstract class TopologyServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return TopologyServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service TopologyService.
   * <pre>
   * Shows the nodes of the cluster and where keys live, as the answering node sees it.
   * </pre>
   */
  public static final class TopologyServiceStub
      extends io.grpc.stub.AbstractAsyncStub<TopologyServiceStub> {
    private TopologyServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TopologyServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TopologyServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows all nodes.
     * </pre>
     */
    public void getTopology(io.kindred.v1.GetTopologyRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetTopologyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetTopologyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows all nodes at once, and again whenever the answering node sees one of them change. The stream ends only with
     * the client, or with UNAVAILABLE when the node shuts down.
     * </pre>
     */
    public void watchTopology(io.kindred.v1.WatchTopologyRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.WatchTopologyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchTopologyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Tells which nodes keep a key. The key need not exist.
     * </pre>
     */
    public void locate(io.kindred.v1.LocateRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.LocateResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getLocateMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows the whole table of homes of a bucket, for clients that send each key to one of its replicas themselves. Asked
     * once, and again when the topology_epoch of a report differs.
     * </pre>
     */
    public void getPlacement(io.kindred.v1.GetPlacementRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetPlacementResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetPlacementMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service TopologyService.
   * <pre>
   * Shows the nodes of the cluster and where keys live, as the answering node sees it.
   * </pre>
   */
  public static final class TopologyServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<TopologyServiceBlockingV2Stub> {
    private TopologyServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TopologyServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TopologyServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows all nodes.
     * </pre>
     */
    public io.kindred.v1.GetTopologyResponse getTopology(io.kindred.v1.GetTopologyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetTopologyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows all nodes at once, and again whenever the answering node sees one of them change. The stream ends only with
     * the client, or with UNAVAILABLE when the node shuts down.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.kindred.v1.WatchTopologyResponse>
        watchTopology(io.kindred.v1.WatchTopologyRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchTopologyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells which nodes keep a key. The key need not exist.
     * </pre>
     */
    public io.kindred.v1.LocateResponse locate(io.kindred.v1.LocateRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getLocateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows the whole table of homes of a bucket, for clients that send each key to one of its replicas themselves. Asked
     * once, and again when the topology_epoch of a report differs.
     * </pre>
     */
    public io.kindred.v1.GetPlacementResponse getPlacement(io.kindred.v1.GetPlacementRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetPlacementMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service TopologyService.
   * <pre>
   * Shows the nodes of the cluster and where keys live, as the answering node sees it.
   * </pre>
   */
  public static final class TopologyServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<TopologyServiceBlockingStub> {
    private TopologyServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TopologyServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TopologyServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows all nodes.
     * </pre>
     */
    public io.kindred.v1.GetTopologyResponse getTopology(io.kindred.v1.GetTopologyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetTopologyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows all nodes at once, and again whenever the answering node sees one of them change. The stream ends only with
     * the client, or with UNAVAILABLE when the node shuts down.
     * </pre>
     */
    public java.util.Iterator<io.kindred.v1.WatchTopologyResponse> watchTopology(
        io.kindred.v1.WatchTopologyRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchTopologyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells which nodes keep a key. The key need not exist.
     * </pre>
     */
    public io.kindred.v1.LocateResponse locate(io.kindred.v1.LocateRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getLocateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows the whole table of homes of a bucket, for clients that send each key to one of its replicas themselves. Asked
     * once, and again when the topology_epoch of a report differs.
     * </pre>
     */
    public io.kindred.v1.GetPlacementResponse getPlacement(io.kindred.v1.GetPlacementRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetPlacementMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service TopologyService.
   * <pre>
   * Shows the nodes of the cluster and where keys live, as the answering node sees it.
   * </pre>
   */
  public static final class TopologyServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<TopologyServiceFutureStub> {
    private TopologyServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TopologyServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TopologyServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows all nodes.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.GetTopologyResponse> getTopology(
        io.kindred.v1.GetTopologyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetTopologyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Tells which nodes keep a key. The key need not exist.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.LocateResponse> locate(
        io.kindred.v1.LocateRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getLocateMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows the whole table of homes of a bucket, for clients that send each key to one of its replicas themselves. Asked
     * once, and again when the topology_epoch of a report differs.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.GetPlacementResponse> getPlacement(
        io.kindred.v1.GetPlacementRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetPlacementMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_TOPOLOGY = 0;
  private static final int METHODID_WATCH_TOPOLOGY = 1;
  private static final int METHODID_LOCATE = 2;
  private static final int METHODID_GET_PLACEMENT = 3;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_GET_TOPOLOGY:
          serviceImpl.getTopology((io.kindred.v1.GetTopologyRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.GetTopologyResponse>) responseObserver);
          break;
        case METHODID_WATCH_TOPOLOGY:
          serviceImpl.watchTopology((io.kindred.v1.WatchTopologyRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.WatchTopologyResponse>) responseObserver);
          break;
        case METHODID_LOCATE:
          serviceImpl.locate((io.kindred.v1.LocateRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.LocateResponse>) responseObserver);
          break;
        case METHODID_GET_PLACEMENT:
          serviceImpl.getPlacement((io.kindred.v1.GetPlacementRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.GetPlacementResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getGetTopologyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.GetTopologyRequest,
              io.kindred.v1.GetTopologyResponse>(
                service, METHODID_GET_TOPOLOGY)))
        .addMethod(
          getWatchTopologyMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.kindred.v1.WatchTopologyRequest,
              io.kindred.v1.WatchTopologyResponse>(
                service, METHODID_WATCH_TOPOLOGY)))
        .addMethod(
          getLocateMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.LocateRequest,
              io.kindred.v1.LocateResponse>(
                service, METHODID_LOCATE)))
        .addMethod(
          getGetPlacementMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.GetPlacementRequest,
              io.kindred.v1.GetPlacementResponse>(
                service, METHODID_GET_PLACEMENT)))
        .build();
  }

  private static abstract class TopologyServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    TopologyServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.kindred.v1.TopologyProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("TopologyService");
    }
  }

  private static final class TopologyServiceFileDescriptorSupplier
      extends TopologyServiceBaseDescriptorSupplier {
    TopologyServiceFileDescriptorSupplier() {}
  }

  private static final class TopologyServiceMethodDescriptorSupplier
      extends TopologyServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    TopologyServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (TopologyServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new TopologyServiceFileDescriptorSupplier())
              .addMethod(getGetTopologyMethod())
              .addMethod(getWatchTopologyMethod())
              .addMethod(getLocateMethod())
              .addMethod(getGetPlacementMethod())
              .build();
        }
      }
    }
    return result;
  }
}
