package io.kindred.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Shows the buckets of the cluster. They come from its configuration, so this service only reads.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class BucketServiceGrpc {

  private BucketServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "kindred.v1.BucketService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.GetBucketRequest,
      io.kindred.v1.GetBucketResponse> getGetBucketMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetBucket",
      requestType = io.kindred.v1.GetBucketRequest.class,
      responseType = io.kindred.v1.GetBucketResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.GetBucketRequest,
      io.kindred.v1.GetBucketResponse> getGetBucketMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.GetBucketRequest, io.kindred.v1.GetBucketResponse> getGetBucketMethod;
    if ((getGetBucketMethod = BucketServiceGrpc.getGetBucketMethod) == null) {
      synchronized (BucketServiceGrpc.class) {
        if ((getGetBucketMethod = BucketServiceGrpc.getGetBucketMethod) == null) {
          BucketServiceGrpc.getGetBucketMethod = getGetBucketMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.GetBucketRequest, io.kindred.v1.GetBucketResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetBucket"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetBucketRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetBucketResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BucketServiceMethodDescriptorSupplier("GetBucket"))
              .build();
        }
      }
    }
    return getGetBucketMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.ListBucketsRequest,
      io.kindred.v1.ListBucketsResponse> getListBucketsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListBuckets",
      requestType = io.kindred.v1.ListBucketsRequest.class,
      responseType = io.kindred.v1.ListBucketsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.ListBucketsRequest,
      io.kindred.v1.ListBucketsResponse> getListBucketsMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.ListBucketsRequest, io.kindred.v1.ListBucketsResponse> getListBucketsMethod;
    if ((getListBucketsMethod = BucketServiceGrpc.getListBucketsMethod) == null) {
      synchronized (BucketServiceGrpc.class) {
        if ((getListBucketsMethod = BucketServiceGrpc.getListBucketsMethod) == null) {
          BucketServiceGrpc.getListBucketsMethod = getListBucketsMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.ListBucketsRequest, io.kindred.v1.ListBucketsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListBuckets"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.ListBucketsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.ListBucketsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BucketServiceMethodDescriptorSupplier("ListBuckets"))
              .build();
        }
      }
    }
    return getListBucketsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static BucketServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BucketServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BucketServiceStub>() {
        @java.lang.Override
        public BucketServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BucketServiceStub(channel, callOptions);
        }
      };
    return BucketServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static BucketServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BucketServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BucketServiceBlockingV2Stub>() {
        @java.lang.Override
        public BucketServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BucketServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return BucketServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static BucketServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BucketServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BucketServiceBlockingStub>() {
        @java.lang.Override
        public BucketServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BucketServiceBlockingStub(channel, callOptions);
        }
      };
    return BucketServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static BucketServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BucketServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BucketServiceFutureStub>() {
        @java.lang.Override
        public BucketServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BucketServiceFutureStub(channel, callOptions);
        }
      };
    return BucketServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Shows the buckets of the cluster. They come from its configuration, so this service only reads.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Shows one bucket. A name that the configuration lacks: NOT_FOUND + BUCKET_UNKNOWN.
     * </pre>
     */
    default void getBucket(io.kindred.v1.GetBucketRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetBucketResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetBucketMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows all buckets, sorted by name, page by page.
     * </pre>
     */
    default void listBuckets(io.kindred.v1.ListBucketsRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.ListBucketsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListBucketsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service BucketService.
   * <pre>
   * Shows the buckets of the cluster. They come from its configuration, so this service only reads.
   * </pre>
   */
  public static abstract class BucketServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return BucketServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service BucketService.
   * <pre>
   * Shows the buckets of the cluster. They come from its configuration, so this service only reads.
   * </pre>
   */
  public static final class BucketServiceStub
      extends io.grpc.stub.AbstractAsyncStub<BucketServiceStub> {
    private BucketServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BucketServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BucketServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows one bucket. A name that the configuration lacks: NOT_FOUND + BUCKET_UNKNOWN.
     * </pre>
     */
    public void getBucket(io.kindred.v1.GetBucketRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetBucketResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetBucketMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows all buckets, sorted by name, page by page.
     * </pre>
     */
    public void listBuckets(io.kindred.v1.ListBucketsRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.ListBucketsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListBucketsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service BucketService.
   * <pre>
   * Shows the buckets of the cluster. They come from its configuration, so this service only reads.
   * </pre>
   */
  public static final class BucketServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<BucketServiceBlockingV2Stub> {
    private BucketServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BucketServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BucketServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows one bucket. A name that the configuration lacks: NOT_FOUND + BUCKET_UNKNOWN.
     * </pre>
     */
    public io.kindred.v1.GetBucketResponse getBucket(io.kindred.v1.GetBucketRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetBucketMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows all buckets, sorted by name, page by page.
     * </pre>
     */
    public io.kindred.v1.ListBucketsResponse listBuckets(io.kindred.v1.ListBucketsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListBucketsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service BucketService.
   * <pre>
   * Shows the buckets of the cluster. They come from its configuration, so this service only reads.
   * </pre>
   */
  public static final class BucketServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<BucketServiceBlockingStub> {
    private BucketServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BucketServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BucketServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows one bucket. A name that the configuration lacks: NOT_FOUND + BUCKET_UNKNOWN.
     * </pre>
     */
    public io.kindred.v1.GetBucketResponse getBucket(io.kindred.v1.GetBucketRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetBucketMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows all buckets, sorted by name, page by page.
     * </pre>
     */
    public io.kindred.v1.ListBucketsResponse listBuckets(io.kindred.v1.ListBucketsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListBucketsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service BucketService.
   * <pre>
   * Shows the buckets of the cluster. They come from its configuration, so this service only reads.
   * </pre>
   */
  public static final class BucketServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<BucketServiceFutureStub> {
    private BucketServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BucketServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BucketServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows one bucket. A name that the configuration lacks: NOT_FOUND + BUCKET_UNKNOWN.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.GetBucketResponse> getBucket(
        io.kindred.v1.GetBucketRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetBucketMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows all buckets, sorted by name, page by page.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.ListBucketsResponse> listBuckets(
        io.kindred.v1.ListBucketsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListBucketsMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_BUCKET = 0;
  private static final int METHODID_LIST_BUCKETS = 1;

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
        case METHODID_GET_BUCKET:
          serviceImpl.getBucket((io.kindred.v1.GetBucketRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.GetBucketResponse>) responseObserver);
          break;
        case METHODID_LIST_BUCKETS:
          serviceImpl.listBuckets((io.kindred.v1.ListBucketsRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.ListBucketsResponse>) responseObserver);
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
          getGetBucketMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.GetBucketRequest,
              io.kindred.v1.GetBucketResponse>(
                service, METHODID_GET_BUCKET)))
        .addMethod(
          getListBucketsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.ListBucketsRequest,
              io.kindred.v1.ListBucketsResponse>(
                service, METHODID_LIST_BUCKETS)))
        .build();
  }

  private static abstract class BucketServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    BucketServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.kindred.v1.BucketProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("BucketService");
    }
  }

  private static final class BucketServiceFileDescriptorSupplier
      extends BucketServiceBaseDescriptorSupplier {
    BucketServiceFileDescriptorSupplier() {}
  }

  private static final class BucketServiceMethodDescriptorSupplier
      extends BucketServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    BucketServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (BucketServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new BucketServiceFileDescriptorSupplier())
              .addMethod(getGetBucketMethod())
              .addMethod(getListBucketsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
