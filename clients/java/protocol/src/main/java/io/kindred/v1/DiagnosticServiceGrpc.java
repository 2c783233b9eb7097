package io.kindred.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Shows what the replicas of a key hold, and how a node is doing. Changes nothing, repairs nothing.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class DiagnosticServiceGrpc {

  private DiagnosticServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "kindred.v1.DiagnosticService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.InspectKeyRequest,
      io.kindred.v1.InspectKeyResponse> getInspectKeyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "InspectKey",
      requestType = io.kindred.v1.InspectKeyRequest.class,
      responseType = io.kindred.v1.InspectKeyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.InspectKeyRequest,
      io.kindred.v1.InspectKeyResponse> getInspectKeyMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.InspectKeyRequest, io.kindred.v1.InspectKeyResponse> getInspectKeyMethod;
    if ((getInspectKeyMethod = DiagnosticServiceGrpc.getInspectKeyMethod) == null) {
      synchronized (DiagnosticServiceGrpc.class) {
        if ((getInspectKeyMethod = DiagnosticServiceGrpc.getInspectKeyMethod) == null) {
          DiagnosticServiceGrpc.getInspectKeyMethod = getInspectKeyMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.InspectKeyRequest, io.kindred.v1.InspectKeyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "InspectKey"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.InspectKeyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.InspectKeyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DiagnosticServiceMethodDescriptorSupplier("InspectKey"))
              .build();
        }
      }
    }
    return getInspectKeyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.GetNodeStatusRequest,
      io.kindred.v1.GetNodeStatusResponse> getGetNodeStatusMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetNodeStatus",
      requestType = io.kindred.v1.GetNodeStatusRequest.class,
      responseType = io.kindred.v1.GetNodeStatusResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.GetNodeStatusRequest,
      io.kindred.v1.GetNodeStatusResponse> getGetNodeStatusMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.GetNodeStatusRequest, io.kindred.v1.GetNodeStatusResponse> getGetNodeStatusMethod;
    if ((getGetNodeStatusMethod = DiagnosticServiceGrpc.getGetNodeStatusMethod) == null) {
      synchronized (DiagnosticServiceGrpc.class) {
        if ((getGetNodeStatusMethod = DiagnosticServiceGrpc.getGetNodeStatusMethod) == null) {
          DiagnosticServiceGrpc.getGetNodeStatusMethod = getGetNodeStatusMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.GetNodeStatusRequest, io.kindred.v1.GetNodeStatusResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetNodeStatus"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetNodeStatusRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetNodeStatusResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DiagnosticServiceMethodDescriptorSupplier("GetNodeStatus"))
              .build();
        }
      }
    }
    return getGetNodeStatusMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.MeasureDivergenceRequest,
      io.kindred.v1.MeasureDivergenceResponse> getMeasureDivergenceMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "MeasureDivergence",
      requestType = io.kindred.v1.MeasureDivergenceRequest.class,
      responseType = io.kindred.v1.MeasureDivergenceResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.MeasureDivergenceRequest,
      io.kindred.v1.MeasureDivergenceResponse> getMeasureDivergenceMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.MeasureDivergenceRequest, io.kindred.v1.MeasureDivergenceResponse> getMeasureDivergenceMethod;
    if ((getMeasureDivergenceMethod = DiagnosticServiceGrpc.getMeasureDivergenceMethod) == null) {
      synchronized (DiagnosticServiceGrpc.class) {
        if ((getMeasureDivergenceMethod = DiagnosticServiceGrpc.getMeasureDivergenceMethod) == null) {
          DiagnosticServiceGrpc.getMeasureDivergenceMethod = getMeasureDivergenceMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.MeasureDivergenceRequest, io.kindred.v1.MeasureDivergenceResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "MeasureDivergence"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.MeasureDivergenceRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.MeasureDivergenceResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DiagnosticServiceMethodDescriptorSupplier("MeasureDivergence"))
              .build();
        }
      }
    }
    return getMeasureDivergenceMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static DiagnosticServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DiagnosticServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DiagnosticServiceStub>() {
        @java.lang.Override
        public DiagnosticServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DiagnosticServiceStub(channel, callOptions);
        }
      };
    return DiagnosticServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static DiagnosticServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DiagnosticServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DiagnosticServiceBlockingV2Stub>() {
        @java.lang.Override
        public DiagnosticServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DiagnosticServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return DiagnosticServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static DiagnosticServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DiagnosticServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DiagnosticServiceBlockingStub>() {
        @java.lang.Override
        public DiagnosticServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DiagnosticServiceBlockingStub(channel, callOptions);
        }
      };
    return DiagnosticServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static DiagnosticServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DiagnosticServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DiagnosticServiceFutureStub>() {
        @java.lang.Override
        public DiagnosticServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DiagnosticServiceFutureStub(channel, callOptions);
        }
      };
    return DiagnosticServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Shows what the replicas of a key hold, and how a node is doing. Changes nothing, repairs nothing.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Asks every replica of a key what it holds, and shows their answers side by side.
     * </pre>
     */
    default void inspectKey(io.kindred.v1.InspectKeyRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.InspectKeyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getInspectKeyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows how the answering node is doing.
     * </pre>
     */
    default void getNodeStatus(io.kindred.v1.GetNodeStatusRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetNodeStatusResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetNodeStatusMethod(), responseObserver);
    }

    /**
     * <pre>
     * Draws keys at random among those that the answering node holds, and tells on how many the replicas differ now.
     * </pre>
     */
    default void measureDivergence(io.kindred.v1.MeasureDivergenceRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.MeasureDivergenceResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getMeasureDivergenceMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service DiagnosticService.
   * <pre>
   * Shows what the replicas of a key hold, and how a node is doing. Changes nothing, repairs nothing.
   * </pre>
   */
  public static abstract class DiagnosticServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return DiagnosticServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service DiagnosticService.
   * <pre>
   * Shows what the replicas of a key hold, and how a node is doing. Changes nothing, repairs nothing.
   * </pre>
   */
  public static final class DiagnosticServiceStub
      extends io.grpc.stub.AbstractAsyncStub<DiagnosticServiceStub> {
    private DiagnosticServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DiagnosticServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DiagnosticServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Asks every replica of a key what it holds, and shows their answers side by side.
     * </pre>
     */
    public void inspectKey(io.kindred.v1.InspectKeyRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.InspectKeyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getInspectKeyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows how the answering node is doing.
     * </pre>
     */
    public void getNodeStatus(io.kindred.v1.GetNodeStatusRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetNodeStatusResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetNodeStatusMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Draws keys at random among those that the answering node holds, and tells on how many the replicas differ now.
     * </pre>
     */
    public void measureDivergence(io.kindred.v1.MeasureDivergenceRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.MeasureDivergenceResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getMeasureDivergenceMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service DiagnosticService.
   * <pre>
   * Shows what the replicas of a key hold, and how a node is doing. Changes nothing, repairs nothing.
   * </pre>
   */
  public static final class DiagnosticServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<DiagnosticServiceBlockingV2Stub> {
    private DiagnosticServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DiagnosticServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DiagnosticServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Asks every replica of a key what it holds, and shows their answers side by side.
     * </pre>
     */
    public io.kindred.v1.InspectKeyResponse inspectKey(io.kindred.v1.InspectKeyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getInspectKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows how the answering node is doing.
     * </pre>
     */
    public io.kindred.v1.GetNodeStatusResponse getNodeStatus(io.kindred.v1.GetNodeStatusRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetNodeStatusMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Draws keys at random among those that the answering node holds, and tells on how many the replicas differ now.
     * </pre>
     */
    public io.kindred.v1.MeasureDivergenceResponse measureDivergence(io.kindred.v1.MeasureDivergenceRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getMeasureDivergenceMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service DiagnosticService.
   * <pre>
   * Shows what the replicas of a key hold, and how a node is doing. Changes nothing, repairs nothing.
   * </pre>
   */
  public static final class DiagnosticServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<DiagnosticServiceBlockingStub> {
    private DiagnosticServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DiagnosticServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DiagnosticServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Asks every replica of a key what it holds, and shows their answers side by side.
     * </pre>
     */
    public io.kindred.v1.InspectKeyResponse inspectKey(io.kindred.v1.InspectKeyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getInspectKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows how the answering node is doing.
     * </pre>
     */
    public io.kindred.v1.GetNodeStatusResponse getNodeStatus(io.kindred.v1.GetNodeStatusRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetNodeStatusMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Draws keys at random among those that the answering node holds, and tells on how many the replicas differ now.
     * </pre>
     */
    public io.kindred.v1.MeasureDivergenceResponse measureDivergence(io.kindred.v1.MeasureDivergenceRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getMeasureDivergenceMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service DiagnosticService.
   * <pre>
   * Shows what the replicas of a key hold, and how a node is doing. Changes nothing, repairs nothing.
   * </pre>
   */
  public static final class DiagnosticServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<DiagnosticServiceFutureStub> {
    private DiagnosticServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DiagnosticServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DiagnosticServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Asks every replica of a key what it holds, and shows their answers side by side.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.InspectKeyResponse> inspectKey(
        io.kindred.v1.InspectKeyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getInspectKeyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows how the answering node is doing.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.GetNodeStatusResponse> getNodeStatus(
        io.kindred.v1.GetNodeStatusRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetNodeStatusMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Draws keys at random among those that the answering node holds, and tells on how many the replicas differ now.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.MeasureDivergenceResponse> measureDivergence(
        io.kindred.v1.MeasureDivergenceRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getMeasureDivergenceMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_INSPECT_KEY = 0;
  private static final int METHODID_GET_NODE_STATUS = 1;
  private static final int METHODID_MEASURE_DIVERGENCE = 2;

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
        case METHODID_INSPECT_KEY:
          serviceImpl.inspectKey((io.kindred.v1.InspectKeyRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.InspectKeyResponse>) responseObserver);
          break;
        case METHODID_GET_NODE_STATUS:
          serviceImpl.getNodeStatus((io.kindred.v1.GetNodeStatusRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.GetNodeStatusResponse>) responseObserver);
          break;
        case METHODID_MEASURE_DIVERGENCE:
          serviceImpl.measureDivergence((io.kindred.v1.MeasureDivergenceRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.MeasureDivergenceResponse>) responseObserver);
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
          getInspectKeyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.InspectKeyRequest,
              io.kindred.v1.InspectKeyResponse>(
                service, METHODID_INSPECT_KEY)))
        .addMethod(
          getGetNodeStatusMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.GetNodeStatusRequest,
              io.kindred.v1.GetNodeStatusResponse>(
                service, METHODID_GET_NODE_STATUS)))
        .addMethod(
          getMeasureDivergenceMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.MeasureDivergenceRequest,
              io.kindred.v1.MeasureDivergenceResponse>(
                service, METHODID_MEASURE_DIVERGENCE)))
        .build();
  }

  private static abstract class DiagnosticServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    DiagnosticServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.kindred.v1.DiagnosticProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("DiagnosticService");
    }
  }

  private static final class DiagnosticServiceFileDescriptorSupplier
      extends DiagnosticServiceBaseDescriptorSupplier {
    DiagnosticServiceFileDescriptorSupplier() {}
  }

  private static final class DiagnosticServiceMethodDescriptorSupplier
      extends DiagnosticServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    DiagnosticServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (DiagnosticServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new DiagnosticServiceFileDescriptorSupplier())
              .addMethod(getInspectKeyMethod())
              .addMethod(getGetNodeStatusMethod())
              .addMethod(getMeasureDivergenceMethod())
              .build();
        }
      }
    }
    return result;
  }
}
