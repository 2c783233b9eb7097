package io.kindred.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Starts, shows and stops long-running work on the answering node. Operations are remembered until the node stops, the
 * last 100 of them.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class OperationServiceGrpc {

  private OperationServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "kindred.v1.OperationService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.StartRepairRequest,
      io.kindred.v1.StartRepairResponse> getStartRepairMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StartRepair",
      requestType = io.kindred.v1.StartRepairRequest.class,
      responseType = io.kindred.v1.StartRepairResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.StartRepairRequest,
      io.kindred.v1.StartRepairResponse> getStartRepairMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.StartRepairRequest, io.kindred.v1.StartRepairResponse> getStartRepairMethod;
    if ((getStartRepairMethod = OperationServiceGrpc.getStartRepairMethod) == null) {
      synchronized (OperationServiceGrpc.class) {
        if ((getStartRepairMethod = OperationServiceGrpc.getStartRepairMethod) == null) {
          OperationServiceGrpc.getStartRepairMethod = getStartRepairMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.StartRepairRequest, io.kindred.v1.StartRepairResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StartRepair"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.StartRepairRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.StartRepairResponse.getDefaultInstance()))
              .setSchemaDescriptor(new OperationServiceMethodDescriptorSupplier("StartRepair"))
              .build();
        }
      }
    }
    return getStartRepairMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.GetOperationRequest,
      io.kindred.v1.GetOperationResponse> getGetOperationMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetOperation",
      requestType = io.kindred.v1.GetOperationRequest.class,
      responseType = io.kindred.v1.GetOperationResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.GetOperationRequest,
      io.kindred.v1.GetOperationResponse> getGetOperationMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.GetOperationRequest, io.kindred.v1.GetOperationResponse> getGetOperationMethod;
    if ((getGetOperationMethod = OperationServiceGrpc.getGetOperationMethod) == null) {
      synchronized (OperationServiceGrpc.class) {
        if ((getGetOperationMethod = OperationServiceGrpc.getGetOperationMethod) == null) {
          OperationServiceGrpc.getGetOperationMethod = getGetOperationMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.GetOperationRequest, io.kindred.v1.GetOperationResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetOperation"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetOperationRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetOperationResponse.getDefaultInstance()))
              .setSchemaDescriptor(new OperationServiceMethodDescriptorSupplier("GetOperation"))
              .build();
        }
      }
    }
    return getGetOperationMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.ListOperationsRequest,
      io.kindred.v1.ListOperationsResponse> getListOperationsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListOperations",
      requestType = io.kindred.v1.ListOperationsRequest.class,
      responseType = io.kindred.v1.ListOperationsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.ListOperationsRequest,
      io.kindred.v1.ListOperationsResponse> getListOperationsMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.ListOperationsRequest, io.kindred.v1.ListOperationsResponse> getListOperationsMethod;
    if ((getListOperationsMethod = OperationServiceGrpc.getListOperationsMethod) == null) {
      synchronized (OperationServiceGrpc.class) {
        if ((getListOperationsMethod = OperationServiceGrpc.getListOperationsMethod) == null) {
          OperationServiceGrpc.getListOperationsMethod = getListOperationsMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.ListOperationsRequest, io.kindred.v1.ListOperationsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListOperations"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.ListOperationsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.ListOperationsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new OperationServiceMethodDescriptorSupplier("ListOperations"))
              .build();
        }
      }
    }
    return getListOperationsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.CancelOperationRequest,
      io.kindred.v1.CancelOperationResponse> getCancelOperationMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CancelOperation",
      requestType = io.kindred.v1.CancelOperationRequest.class,
      responseType = io.kindred.v1.CancelOperationResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.CancelOperationRequest,
      io.kindred.v1.CancelOperationResponse> getCancelOperationMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.CancelOperationRequest, io.kindred.v1.CancelOperationResponse> getCancelOperationMethod;
    if ((getCancelOperationMethod = OperationServiceGrpc.getCancelOperationMethod) == null) {
      synchronized (OperationServiceGrpc.class) {
        if ((getCancelOperationMethod = OperationServiceGrpc.getCancelOperationMethod) == null) {
          OperationServiceGrpc.getCancelOperationMethod = getCancelOperationMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.CancelOperationRequest, io.kindred.v1.CancelOperationResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CancelOperation"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.CancelOperationRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.CancelOperationResponse.getDefaultInstance()))
              .setSchemaDescriptor(new OperationServiceMethodDescriptorSupplier("CancelOperation"))
              .build();
        }
      }
    }
    return getCancelOperationMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.WatchOperationRequest,
      io.kindred.v1.WatchOperationResponse> getWatchOperationMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WatchOperation",
      requestType = io.kindred.v1.WatchOperationRequest.class,
      responseType = io.kindred.v1.WatchOperationResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.kindred.v1.WatchOperationRequest,
      io.kindred.v1.WatchOperationResponse> getWatchOperationMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.WatchOperationRequest, io.kindred.v1.WatchOperationResponse> getWatchOperationMethod;
    if ((getWatchOperationMethod = OperationServiceGrpc.getWatchOperationMethod) == null) {
      synchronized (OperationServiceGrpc.class) {
        if ((getWatchOperationMethod = OperationServiceGrpc.getWatchOperationMethod) == null) {
          OperationServiceGrpc.getWatchOperationMethod = getWatchOperationMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.WatchOperationRequest, io.kindred.v1.WatchOperationResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WatchOperation"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.WatchOperationRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.WatchOperationResponse.getDefaultInstance()))
              .setSchemaDescriptor(new OperationServiceMethodDescriptorSupplier("WatchOperation"))
              .build();
        }
      }
    }
    return getWatchOperationMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static OperationServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<OperationServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<OperationServiceStub>() {
        @java.lang.Override
        public OperationServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new OperationServiceStub(channel, callOptions);
        }
      };
    return OperationServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static OperationServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<OperationServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<OperationServiceBlockingV2Stub>() {
        @java.lang.Override
        public OperationServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new OperationServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return OperationServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static OperationServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<OperationServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<OperationServiceBlockingStub>() {
        @java.lang.Override
        public OperationServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new OperationServiceBlockingStub(channel, callOptions);
        }
      };
    return OperationServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static OperationServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<OperationServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<OperationServiceFutureStub>() {
        @java.lang.Override
        public OperationServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new OperationServiceFutureStub(channel, callOptions);
        }
      };
    return OperationServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Starts, shows and stops long-running work on the answering node. Operations are remembered until the node stops, the
   * last 100 of them.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Compares all that the answering node holds with the other replicas, and repairs what differs. One at a time, dry runs
     * included; a second one: FAILED_PRECONDITION and OPERATION_RUNNING. Every node of a cluster repairs what it holds: `kindred repair` asks all of them.
     * </pre>
     */
    default void startRepair(io.kindred.v1.StartRepairRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.StartRepairResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStartRepairMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows one operation.
     * </pre>
     */
    default void getOperation(io.kindred.v1.GetOperationRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetOperationResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetOperationMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows the operations that the node remembers, newest first.
     * </pre>
     */
    default void listOperations(io.kindred.v1.ListOperationsRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.ListOperationsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListOperationsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Stops an operation. What it has done stays done.
     * </pre>
     */
    default void cancelOperation(io.kindred.v1.CancelOperationRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.CancelOperationResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCancelOperationMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows an operation now, whenever it has come further, and when it ends; then the stream ends.
     * </pre>
     */
    default void watchOperation(io.kindred.v1.WatchOperationRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.WatchOperationResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWatchOperationMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service OperationService.
   * <pre>
   * Starts, shows and stops long-running work on the answering node. Operations are remembered until the node stops, the
   * last 100 of them.
   * </pre>
   */
  public static abstract class OperationServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return OperationServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service OperationService.
   * <pre>
   * Starts, shows and stops long-running work on the answering node. Operations are remembered until the node stops, the
   * last 100 of them.
   * </pre>
   */
  public static final class OperationServiceStub
      extends io.grpc.stub.AbstractAsyncStub<OperationServiceStub> {
    private OperationServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected OperationServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new OperationServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Compares all that the answering node holds with the other replicas, and repairs what differs. One at a time, dry runs
     * included; a second one: FAILED_PRECONDITION and OPERATION_RUNNING. Every node of a cluster repairs what it holds: `kindred repair` asks all of them.
     * </pre>
     */
    public void startRepair(io.kindred.v1.StartRepairRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.StartRepairResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getStartRepairMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows one operation.
     * </pre>
     */
    public void getOperation(io.kindred.v1.GetOperationRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetOperationResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetOperationMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows the operations that the node remembers, newest first.
     * </pre>
     */
    public void listOperations(io.kindred.v1.ListOperationsRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.ListOperationsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListOperationsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Stops an operation. What it has done stays done.
     * </pre>
     */
    public void cancelOperation(io.kindred.v1.CancelOperationRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.CancelOperationResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCancelOperationMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows an operation now, whenever it has come further, and when it ends; then the stream ends.
     * </pre>
     */
    public void watchOperation(io.kindred.v1.WatchOperationRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.WatchOperationResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getWatchOperationMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service OperationService.
   * <pre>
   * Starts, shows and stops long-running work on the answering node. Operations are remembered until the node stops, the
   * last 100 of them.
   * </pre>
   */
  public static final class OperationServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<OperationServiceBlockingV2Stub> {
    private OperationServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected OperationServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new OperationServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Compares all that the answering node holds with the other replicas, and repairs what differs. One at a time, dry runs
     * included; a second one: FAILED_PRECONDITION and OPERATION_RUNNING. Every node of a cluster repairs what it holds: `kindred repair` asks all of them.
     * </pre>
     */
    public io.kindred.v1.StartRepairResponse startRepair(io.kindred.v1.StartRepairRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getStartRepairMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows one operation.
     * </pre>
     */
    public io.kindred.v1.GetOperationResponse getOperation(io.kindred.v1.GetOperationRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetOperationMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows the operations that the node remembers, newest first.
     * </pre>
     */
    public io.kindred.v1.ListOperationsResponse listOperations(io.kindred.v1.ListOperationsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListOperationsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops an operation. What it has done stays done.
     * </pre>
     */
    public io.kindred.v1.CancelOperationResponse cancelOperation(io.kindred.v1.CancelOperationRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCancelOperationMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows an operation now, whenever it has come further, and when it ends; then the stream ends.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.kindred.v1.WatchOperationResponse>
        watchOperation(io.kindred.v1.WatchOperationRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getWatchOperationMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service OperationService.
   * <pre>
   * Starts, shows and stops long-running work on the answering node. Operations are remembered until the node stops, the
   * last 100 of them.
   * </pre>
   */
  public static final class OperationServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<OperationServiceBlockingStub> {
    private OperationServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected OperationServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new OperationServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Compares all that the answering node holds with the other replicas, and repairs what differs. One at a time, dry runs
     * included; a second one: FAILED_PRECONDITION and OPERATION_RUNNING. Every node of a cluster repairs what it holds: `kindred repair` asks all of them.
     * </pre>
     */
    public io.kindred.v1.StartRepairResponse startRepair(io.kindred.v1.StartRepairRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getStartRepairMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows one operation.
     * </pre>
     */
    public io.kindred.v1.GetOperationResponse getOperation(io.kindred.v1.GetOperationRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetOperationMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows the operations that the node remembers, newest first.
     * </pre>
     */
    public io.kindred.v1.ListOperationsResponse listOperations(io.kindred.v1.ListOperationsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListOperationsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stops an operation. What it has done stays done.
     * </pre>
     */
    public io.kindred.v1.CancelOperationResponse cancelOperation(io.kindred.v1.CancelOperationRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCancelOperationMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows an operation now, whenever it has come further, and when it ends; then the stream ends.
     * </pre>
     */
    public java.util.Iterator<io.kindred.v1.WatchOperationResponse> watchOperation(
        io.kindred.v1.WatchOperationRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getWatchOperationMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service OperationService.
   * <pre>
   * Starts, shows and stops long-running work on the answering node. Operations are remembered until the node stops, the
   * last 100 of them.
   * </pre>
   */
  public static final class OperationServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<OperationServiceFutureStub> {
    private OperationServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected OperationServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new OperationServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Compares all that the answering node holds with the other replicas, and repairs what differs. One at a time, dry runs
     * included; a second one: FAILED_PRECONDITION and OPERATION_RUNNING. Every node of a cluster repairs what it holds: `kindred repair` asks all of them.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.StartRepairResponse> startRepair(
        io.kindred.v1.StartRepairRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getStartRepairMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows one operation.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.GetOperationResponse> getOperation(
        io.kindred.v1.GetOperationRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetOperationMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows the operations that the node remembers, newest first.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.ListOperationsResponse> listOperations(
        io.kindred.v1.ListOperationsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListOperationsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Stops an operation. What it has done stays done.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.CancelOperationResponse> cancelOperation(
        io.kindred.v1.CancelOperationRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCancelOperationMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_START_REPAIR = 0;
  private static final int METHODID_GET_OPERATION = 1;
  private static final int METHODID_LIST_OPERATIONS = 2;
  private static final int METHODID_CANCEL_OPERATION = 3;
  private static final int METHODID_WATCH_OPERATION = 4;

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
        case METHODID_START_REPAIR:
          serviceImpl.startRepair((io.kindred.v1.StartRepairRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.StartRepairResponse>) responseObserver);
          break;
        case METHODID_GET_OPERATION:
          serviceImpl.getOperation((io.kindred.v1.GetOperationRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.GetOperationResponse>) responseObserver);
          break;
        case METHODID_LIST_OPERATIONS:
          serviceImpl.listOperations((io.kindred.v1.ListOperationsRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.ListOperationsResponse>) responseObserver);
          break;
        case METHODID_CANCEL_OPERATION:
          serviceImpl.cancelOperation((io.kindred.v1.CancelOperationRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.CancelOperationResponse>) responseObserver);
          break;
        case METHODID_WATCH_OPERATION:
          serviceImpl.watchOperation((io.kindred.v1.WatchOperationRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.WatchOperationResponse>) responseObserver);
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
          getStartRepairMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.StartRepairRequest,
              io.kindred.v1.StartRepairResponse>(
                service, METHODID_START_REPAIR)))
        .addMethod(
          getGetOperationMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.GetOperationRequest,
              io.kindred.v1.GetOperationResponse>(
                service, METHODID_GET_OPERATION)))
        .addMethod(
          getListOperationsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.ListOperationsRequest,
              io.kindred.v1.ListOperationsResponse>(
                service, METHODID_LIST_OPERATIONS)))
        .addMethod(
          getCancelOperationMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.CancelOperationRequest,
              io.kindred.v1.CancelOperationResponse>(
                service, METHODID_CANCEL_OPERATION)))
        .addMethod(
          getWatchOperationMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.kindred.v1.WatchOperationRequest,
              io.kindred.v1.WatchOperationResponse>(
                service, METHODID_WATCH_OPERATION)))
        .build();
  }

  private static abstract class OperationServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    OperationServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.kindred.v1.OperationProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("OperationService");
    }
  }

  private static final class OperationServiceFileDescriptorSupplier
      extends OperationServiceBaseDescriptorSupplier {
    OperationServiceFileDescriptorSupplier() {}
  }

  private static final class OperationServiceMethodDescriptorSupplier
      extends OperationServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    OperationServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (OperationServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new OperationServiceFileDescriptorSupplier())
              .addMethod(getStartRepairMethod())
              .addMethod(getGetOperationMethod())
              .addMethod(getListOperationsMethod())
              .addMethod(getCancelOperationMethod())
              .addMethod(getWatchOperationMethod())
              .build();
        }
      }
    }
    return result;
  }
}
