package io.kindred.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Reads and writes keys. Any node serves any request: a client needs one address and this stub.
 * Every failure carries an ErrorDetail in `grpc-status-details-bin`. A deadline longer than the
 * server's limit is cut to it; the server gives up a little before the client's deadline, so that the
 * detail arrives.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class KeyValueServiceGrpc {

  private KeyValueServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "kindred.v1.KeyValueService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.GetRequest,
      io.kindred.v1.GetResponse> getGetMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Get",
      requestType = io.kindred.v1.GetRequest.class,
      responseType = io.kindred.v1.GetResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.GetRequest,
      io.kindred.v1.GetResponse> getGetMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.GetRequest, io.kindred.v1.GetResponse> getGetMethod;
    if ((getGetMethod = KeyValueServiceGrpc.getGetMethod) == null) {
      synchronized (KeyValueServiceGrpc.class) {
        if ((getGetMethod = KeyValueServiceGrpc.getGetMethod) == null) {
          KeyValueServiceGrpc.getGetMethod = getGetMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.GetRequest, io.kindred.v1.GetResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Get"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetResponse.getDefaultInstance()))
              .setSchemaDescriptor(new KeyValueServiceMethodDescriptorSupplier("Get"))
              .build();
        }
      }
    }
    return getGetMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.PutRequest,
      io.kindred.v1.PutResponse> getPutMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Put",
      requestType = io.kindred.v1.PutRequest.class,
      responseType = io.kindred.v1.PutResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.PutRequest,
      io.kindred.v1.PutResponse> getPutMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.PutRequest, io.kindred.v1.PutResponse> getPutMethod;
    if ((getPutMethod = KeyValueServiceGrpc.getPutMethod) == null) {
      synchronized (KeyValueServiceGrpc.class) {
        if ((getPutMethod = KeyValueServiceGrpc.getPutMethod) == null) {
          KeyValueServiceGrpc.getPutMethod = getPutMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.PutRequest, io.kindred.v1.PutResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Put"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.PutRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.PutResponse.getDefaultInstance()))
              .setSchemaDescriptor(new KeyValueServiceMethodDescriptorSupplier("Put"))
              .build();
        }
      }
    }
    return getPutMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.DeleteRequest,
      io.kindred.v1.DeleteResponse> getDeleteMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Delete",
      requestType = io.kindred.v1.DeleteRequest.class,
      responseType = io.kindred.v1.DeleteResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.DeleteRequest,
      io.kindred.v1.DeleteResponse> getDeleteMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.DeleteRequest, io.kindred.v1.DeleteResponse> getDeleteMethod;
    if ((getDeleteMethod = KeyValueServiceGrpc.getDeleteMethod) == null) {
      synchronized (KeyValueServiceGrpc.class) {
        if ((getDeleteMethod = KeyValueServiceGrpc.getDeleteMethod) == null) {
          KeyValueServiceGrpc.getDeleteMethod = getDeleteMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.DeleteRequest, io.kindred.v1.DeleteResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Delete"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.DeleteRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.DeleteResponse.getDefaultInstance()))
              .setSchemaDescriptor(new KeyValueServiceMethodDescriptorSupplier("Delete"))
              .build();
        }
      }
    }
    return getDeleteMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.TouchRequest,
      io.kindred.v1.TouchResponse> getTouchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Touch",
      requestType = io.kindred.v1.TouchRequest.class,
      responseType = io.kindred.v1.TouchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.TouchRequest,
      io.kindred.v1.TouchResponse> getTouchMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.TouchRequest, io.kindred.v1.TouchResponse> getTouchMethod;
    if ((getTouchMethod = KeyValueServiceGrpc.getTouchMethod) == null) {
      synchronized (KeyValueServiceGrpc.class) {
        if ((getTouchMethod = KeyValueServiceGrpc.getTouchMethod) == null) {
          KeyValueServiceGrpc.getTouchMethod = getTouchMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.TouchRequest, io.kindred.v1.TouchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Touch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.TouchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.TouchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new KeyValueServiceMethodDescriptorSupplier("Touch"))
              .build();
        }
      }
    }
    return getTouchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.BatchGetRequest,
      io.kindred.v1.BatchGetResponse> getBatchGetMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "BatchGet",
      requestType = io.kindred.v1.BatchGetRequest.class,
      responseType = io.kindred.v1.BatchGetResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.kindred.v1.BatchGetRequest,
      io.kindred.v1.BatchGetResponse> getBatchGetMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.BatchGetRequest, io.kindred.v1.BatchGetResponse> getBatchGetMethod;
    if ((getBatchGetMethod = KeyValueServiceGrpc.getBatchGetMethod) == null) {
      synchronized (KeyValueServiceGrpc.class) {
        if ((getBatchGetMethod = KeyValueServiceGrpc.getBatchGetMethod) == null) {
          KeyValueServiceGrpc.getBatchGetMethod = getBatchGetMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.BatchGetRequest, io.kindred.v1.BatchGetResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "BatchGet"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.BatchGetRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.BatchGetResponse.getDefaultInstance()))
              .setSchemaDescriptor(new KeyValueServiceMethodDescriptorSupplier("BatchGet"))
              .build();
        }
      }
    }
    return getBatchGetMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.BatchWriteRequest,
      io.kindred.v1.BatchWriteResponse> getBatchWriteMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "BatchWrite",
      requestType = io.kindred.v1.BatchWriteRequest.class,
      responseType = io.kindred.v1.BatchWriteResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.kindred.v1.BatchWriteRequest,
      io.kindred.v1.BatchWriteResponse> getBatchWriteMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.BatchWriteRequest, io.kindred.v1.BatchWriteResponse> getBatchWriteMethod;
    if ((getBatchWriteMethod = KeyValueServiceGrpc.getBatchWriteMethod) == null) {
      synchronized (KeyValueServiceGrpc.class) {
        if ((getBatchWriteMethod = KeyValueServiceGrpc.getBatchWriteMethod) == null) {
          KeyValueServiceGrpc.getBatchWriteMethod = getBatchWriteMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.BatchWriteRequest, io.kindred.v1.BatchWriteResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "BatchWrite"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.BatchWriteRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.BatchWriteResponse.getDefaultInstance()))
              .setSchemaDescriptor(new KeyValueServiceMethodDescriptorSupplier("BatchWrite"))
              .build();
        }
      }
    }
    return getBatchWriteMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.PipelineRequest,
      io.kindred.v1.PipelineResponse> getPipelineMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Pipeline",
      requestType = io.kindred.v1.PipelineRequest.class,
      responseType = io.kindred.v1.PipelineResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<io.kindred.v1.PipelineRequest,
      io.kindred.v1.PipelineResponse> getPipelineMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.PipelineRequest, io.kindred.v1.PipelineResponse> getPipelineMethod;
    if ((getPipelineMethod = KeyValueServiceGrpc.getPipelineMethod) == null) {
      synchronized (KeyValueServiceGrpc.class) {
        if ((getPipelineMethod = KeyValueServiceGrpc.getPipelineMethod) == null) {
          KeyValueServiceGrpc.getPipelineMethod = getPipelineMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.PipelineRequest, io.kindred.v1.PipelineResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Pipeline"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.PipelineRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.PipelineResponse.getDefaultInstance()))
              .setSchemaDescriptor(new KeyValueServiceMethodDescriptorSupplier("Pipeline"))
              .build();
        }
      }
    }
    return getPipelineMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.kindred.v1.GetWriteOutcomeRequest,
      io.kindred.v1.GetWriteOutcomeResponse> getGetWriteOutcomeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetWriteOutcome",
      requestType = io.kindred.v1.GetWriteOutcomeRequest.class,
      responseType = io.kindred.v1.GetWriteOutcomeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.kindred.v1.GetWriteOutcomeRequest,
      io.kindred.v1.GetWriteOutcomeResponse> getGetWriteOutcomeMethod() {
    io.grpc.MethodDescriptor<io.kindred.v1.GetWriteOutcomeRequest, io.kindred.v1.GetWriteOutcomeResponse> getGetWriteOutcomeMethod;
    if ((getGetWriteOutcomeMethod = KeyValueServiceGrpc.getGetWriteOutcomeMethod) == null) {
      synchronized (KeyValueServiceGrpc.class) {
        if ((getGetWriteOutcomeMethod = KeyValueServiceGrpc.getGetWriteOutcomeMethod) == null) {
          KeyValueServiceGrpc.getGetWriteOutcomeMethod = getGetWriteOutcomeMethod =
              io.grpc.MethodDescriptor.<io.kindred.v1.GetWriteOutcomeRequest, io.kindred.v1.GetWriteOutcomeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetWriteOutcome"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetWriteOutcomeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.kindred.v1.GetWriteOutcomeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new KeyValueServiceMethodDescriptorSupplier("GetWriteOutcome"))
              .build();
        }
      }
    }
    return getGetWriteOutcomeMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static KeyValueServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<KeyValueServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<KeyValueServiceStub>() {
        @java.lang.Override
        public KeyValueServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new KeyValueServiceStub(channel, callOptions);
        }
      };
    return KeyValueServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static KeyValueServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<KeyValueServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<KeyValueServiceBlockingV2Stub>() {
        @java.lang.Override
        public KeyValueServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new KeyValueServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return KeyValueServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static KeyValueServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<KeyValueServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<KeyValueServiceBlockingStub>() {
        @java.lang.Override
        public KeyValueServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new KeyValueServiceBlockingStub(channel, callOptions);
        }
      };
    return KeyValueServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static KeyValueServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<KeyValueServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<KeyValueServiceFutureStub>() {
        @java.lang.Override
        public KeyValueServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new KeyValueServiceFutureStub(channel, callOptions);
        }
      };
    return KeyValueServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Reads and writes keys. Any node serves any request: a client needs one address and this stub.
   * Every failure carries an ErrorDetail in `grpc-status-details-bin`. A deadline longer than the
   * server's limit is cut to it; the server gives up a little before the client's deadline, so that the
   * detail arrives.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Reads a key. OK also when the key is absent: absence has a context that the next write needs.
     * </pre>
     */
    default void get(io.kindred.v1.GetRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetMethod(), responseObserver);
    }

    /**
     * <pre>
     * Stores a value. With a context it supersedes exactly what that context covers.
     * </pre>
     */
    default void put(io.kindred.v1.PutRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.PutResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPutMethod(), responseObserver);
    }

    /**
     * <pre>
     * Deletes a key. OK also when the key is absent. A value that raced the delete survives it.
     * </pre>
     */
    default void delete(io.kindred.v1.DeleteRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.DeleteResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes when a key expires, and nothing else about it.
     * </pre>
     */
    default void touch(io.kindred.v1.TouchRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.TouchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTouchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads many keys. Each item succeeds or fails alone; the results are streamed as they come, in
     * any order, one for each key, matched by index. Nothing is ever left "unprocessed".
     * </pre>
     */
    default void batchGet(io.kindred.v1.BatchGetRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.BatchGetResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getBatchGetMethod(), responseObserver);
    }

    /**
     * <pre>
     * Writes many keys. The items are independent (this is no transaction); the results are streamed
     * as they come, in any order, one for each mutation, matched by index.
     * </pre>
     */
    default void batchWrite(io.kindred.v1.BatchWriteRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.BatchWriteResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getBatchWriteMethod(), responseObserver);
    }

    /**
     * <pre>
     * Many operations over one stream, answered in any order and matched by id: the fast path. The
     * server handles together what arrives together; a client may have thousands in flight.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<io.kindred.v1.PipelineRequest> pipeline(
        io.grpc.stub.StreamObserver<io.kindred.v1.PipelineResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getPipelineMethod(), responseObserver);
    }

    /**
     * <pre>
     * Tells whether the write with a request id has happened: for use after a lost reply.
     * </pre>
     */
    default void getWriteOutcome(io.kindred.v1.GetWriteOutcomeRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetWriteOutcomeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetWriteOutcomeMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service KeyValueService.
   * <pre>
   * Reads and writes keys. Any node serves any request: a client needs one address and this stub.
   * Every failure carries an ErrorDetail in `grpc-status-details-bin`. A deadline longer than the
   * server's limit is cut to it; the server gives up a little before the client's deadline, so that the
   * detail arrives.
   * </pre>
   */
  public static abstract class KeyValueServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return KeyValueServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service KeyValueService.
   * <pre>
   * Reads and writes keys. Any node serves any request: a client needs one address and this stub.
   * Every failure carries an ErrorDetail in `grpc-status-details-bin`. A deadline longer than the
   * server's limit is cut to it; the server gives up a little before the client's deadline, so that the
   * detail arrives.
   * </pre>
   */
  public static final class KeyValueServiceStub
      extends io.grpc.stub.AbstractAsyncStub<KeyValueServiceStub> {
    private KeyValueServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected KeyValueServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new KeyValueServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads a key. OK also when the key is absent: absence has a context that the next write needs.
     * </pre>
     */
    public void get(io.kindred.v1.GetRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Stores a value. With a context it supersedes exactly what that context covers.
     * </pre>
     */
    public void put(io.kindred.v1.PutRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.PutResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPutMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Deletes a key. OK also when the key is absent. A value that raced the delete survives it.
     * </pre>
     */
    public void delete(io.kindred.v1.DeleteRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.DeleteResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes when a key expires, and nothing else about it.
     * </pre>
     */
    public void touch(io.kindred.v1.TouchRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.TouchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTouchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads many keys. Each item succeeds or fails alone; the results are streamed as they come, in
     * any order, one for each key, matched by index. Nothing is ever left "unprocessed".
     * </pre>
     */
    public void batchGet(io.kindred.v1.BatchGetRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.BatchGetResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getBatchGetMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Writes many keys. The items are independent (this is no transaction); the results are streamed
     * as they come, in any order, one for each mutation, matched by index.
     * </pre>
     */
    public void batchWrite(io.kindred.v1.BatchWriteRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.BatchWriteResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getBatchWriteMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Many operations over one stream, answered in any order and matched by id: the fast path. The
     * server handles together what arrives together; a client may have thousands in flight.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<io.kindred.v1.PipelineRequest> pipeline(
        io.grpc.stub.StreamObserver<io.kindred.v1.PipelineResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getPipelineMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Tells whether the write with a request id has happened: for use after a lost reply.
     * </pre>
     */
    public void getWriteOutcome(io.kindred.v1.GetWriteOutcomeRequest request,
        io.grpc.stub.StreamObserver<io.kindred.v1.GetWriteOutcomeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetWriteOutcomeMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service KeyValueService.
   * <pre>
   * Reads and writes keys. Any node serves any request: a client needs one address and this stub.
   * Every failure carries an ErrorDetail in `grpc-status-details-bin`. A deadline longer than the
   * server's limit is cut to it; the server gives up a little before the client's deadline, so that the
   * detail arrives.
   * </pre>
   */
  public static final class KeyValueServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<KeyValueServiceBlockingV2Stub> {
    private KeyValueServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected KeyValueServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new KeyValueServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads a key. OK also when the key is absent: absence has a context that the next write needs.
     * </pre>
     */
    public io.kindred.v1.GetResponse get(io.kindred.v1.GetRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stores a value. With a context it supersedes exactly what that context covers.
     * </pre>
     */
    public io.kindred.v1.PutResponse put(io.kindred.v1.PutRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPutMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes a key. OK also when the key is absent. A value that raced the delete survives it.
     * </pre>
     */
    public io.kindred.v1.DeleteResponse delete(io.kindred.v1.DeleteRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes when a key expires, and nothing else about it.
     * </pre>
     */
    public io.kindred.v1.TouchResponse touch(io.kindred.v1.TouchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTouchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads many keys. Each item succeeds or fails alone; the results are streamed as they come, in
     * any order, one for each key, matched by index. Nothing is ever left "unprocessed".
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.kindred.v1.BatchGetResponse>
        batchGet(io.kindred.v1.BatchGetRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getBatchGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Writes many keys. The items are independent (this is no transaction); the results are streamed
     * as they come, in any order, one for each mutation, matched by index.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.kindred.v1.BatchWriteResponse>
        batchWrite(io.kindred.v1.BatchWriteRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getBatchWriteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Many operations over one stream, answered in any order and matched by id: the fast path. The
     * server handles together what arrives together; a client may have thousands in flight.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<io.kindred.v1.PipelineRequest, io.kindred.v1.PipelineResponse>
        pipeline() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getPipelineMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Tells whether the write with a request id has happened: for use after a lost reply.
     * </pre>
     */
    public io.kindred.v1.GetWriteOutcomeResponse getWriteOutcome(io.kindred.v1.GetWriteOutcomeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetWriteOutcomeMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service KeyValueService.
   * <pre>
   * Reads and writes keys. Any node serves any request: a client needs one address and this stub.
   * Every failure carries an ErrorDetail in `grpc-status-details-bin`. A deadline longer than the
   * server's limit is cut to it; the server gives up a little before the client's deadline, so that the
   * detail arrives.
   * </pre>
   */
  public static final class KeyValueServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<KeyValueServiceBlockingStub> {
    private KeyValueServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected KeyValueServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new KeyValueServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads a key. OK also when the key is absent: absence has a context that the next write needs.
     * </pre>
     */
    public io.kindred.v1.GetResponse get(io.kindred.v1.GetRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Stores a value. With a context it supersedes exactly what that context covers.
     * </pre>
     */
    public io.kindred.v1.PutResponse put(io.kindred.v1.PutRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPutMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes a key. OK also when the key is absent. A value that raced the delete survives it.
     * </pre>
     */
    public io.kindred.v1.DeleteResponse delete(io.kindred.v1.DeleteRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes when a key expires, and nothing else about it.
     * </pre>
     */
    public io.kindred.v1.TouchResponse touch(io.kindred.v1.TouchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTouchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads many keys. Each item succeeds or fails alone; the results are streamed as they come, in
     * any order, one for each key, matched by index. Nothing is ever left "unprocessed".
     * </pre>
     */
    public java.util.Iterator<io.kindred.v1.BatchGetResponse> batchGet(
        io.kindred.v1.BatchGetRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getBatchGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Writes many keys. The items are independent (this is no transaction); the results are streamed
     * as they come, in any order, one for each mutation, matched by index.
     * </pre>
     */
    public java.util.Iterator<io.kindred.v1.BatchWriteResponse> batchWrite(
        io.kindred.v1.BatchWriteRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getBatchWriteMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Tells whether the write with a request id has happened: for use after a lost reply.
     * </pre>
     */
    public io.kindred.v1.GetWriteOutcomeResponse getWriteOutcome(io.kindred.v1.GetWriteOutcomeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetWriteOutcomeMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service KeyValueService.
   * <pre>
   * Reads and writes keys. Any node serves any request: a client needs one address and this stub.
   * Every failure carries an ErrorDetail in `grpc-status-details-bin`. A deadline longer than the
   * server's limit is cut to it; the server gives up a little before the client's deadline, so that the
   * detail arrives.
   * </pre>
   */
  public static final class KeyValueServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<KeyValueServiceFutureStub> {
    private KeyValueServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected KeyValueServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new KeyValueServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads a key. OK also when the key is absent: absence has a context that the next write needs.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.GetResponse> get(
        io.kindred.v1.GetRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Stores a value. With a context it supersedes exactly what that context covers.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.PutResponse> put(
        io.kindred.v1.PutRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPutMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Deletes a key. OK also when the key is absent. A value that raced the delete survives it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.DeleteResponse> delete(
        io.kindred.v1.DeleteRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes when a key expires, and nothing else about it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.TouchResponse> touch(
        io.kindred.v1.TouchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTouchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Tells whether the write with a request id has happened: for use after a lost reply.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.kindred.v1.GetWriteOutcomeResponse> getWriteOutcome(
        io.kindred.v1.GetWriteOutcomeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetWriteOutcomeMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET = 0;
  private static final int METHODID_PUT = 1;
  private static final int METHODID_DELETE = 2;
  private static final int METHODID_TOUCH = 3;
  private static final int METHODID_BATCH_GET = 4;
  private static final int METHODID_BATCH_WRITE = 5;
  private static final int METHODID_GET_WRITE_OUTCOME = 6;
  private static final int METHODID_PIPELINE = 7;

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
        case METHODID_GET:
          serviceImpl.get((io.kindred.v1.GetRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.GetResponse>) responseObserver);
          break;
        case METHODID_PUT:
          serviceImpl.put((io.kindred.v1.PutRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.PutResponse>) responseObserver);
          break;
        case METHODID_DELETE:
          serviceImpl.delete((io.kindred.v1.DeleteRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.DeleteResponse>) responseObserver);
          break;
        case METHODID_TOUCH:
          serviceImpl.touch((io.kindred.v1.TouchRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.TouchResponse>) responseObserver);
          break;
        case METHODID_BATCH_GET:
          serviceImpl.batchGet((io.kindred.v1.BatchGetRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.BatchGetResponse>) responseObserver);
          break;
        case METHODID_BATCH_WRITE:
          serviceImpl.batchWrite((io.kindred.v1.BatchWriteRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.BatchWriteResponse>) responseObserver);
          break;
        case METHODID_GET_WRITE_OUTCOME:
          serviceImpl.getWriteOutcome((io.kindred.v1.GetWriteOutcomeRequest) request,
              (io.grpc.stub.StreamObserver<io.kindred.v1.GetWriteOutcomeResponse>) responseObserver);
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
        case METHODID_PIPELINE:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.pipeline(
              (io.grpc.stub.StreamObserver<io.kindred.v1.PipelineResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getGetMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.GetRequest,
              io.kindred.v1.GetResponse>(
                service, METHODID_GET)))
        .addMethod(
          getPutMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.PutRequest,
              io.kindred.v1.PutResponse>(
                service, METHODID_PUT)))
        .addMethod(
          getDeleteMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.DeleteRequest,
              io.kindred.v1.DeleteResponse>(
                service, METHODID_DELETE)))
        .addMethod(
          getTouchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.TouchRequest,
              io.kindred.v1.TouchResponse>(
                service, METHODID_TOUCH)))
        .addMethod(
          getBatchGetMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.kindred.v1.BatchGetRequest,
              io.kindred.v1.BatchGetResponse>(
                service, METHODID_BATCH_GET)))
        .addMethod(
          getBatchWriteMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.kindred.v1.BatchWriteRequest,
              io.kindred.v1.BatchWriteResponse>(
                service, METHODID_BATCH_WRITE)))
        .addMethod(
          getPipelineMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              io.kindred.v1.PipelineRequest,
              io.kindred.v1.PipelineResponse>(
                service, METHODID_PIPELINE)))
        .addMethod(
          getGetWriteOutcomeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.kindred.v1.GetWriteOutcomeRequest,
              io.kindred.v1.GetWriteOutcomeResponse>(
                service, METHODID_GET_WRITE_OUTCOME)))
        .build();
  }

  private static abstract class KeyValueServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    KeyValueServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.kindred.v1.KvProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("KeyValueService");
    }
  }

  private static final class KeyValueServiceFileDescriptorSupplier
      extends KeyValueServiceBaseDescriptorSupplier {
    KeyValueServiceFileDescriptorSupplier() {}
  }

  private static final class KeyValueServiceMethodDescriptorSupplier
      extends KeyValueServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    KeyValueServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (KeyValueServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new KeyValueServiceFileDescriptorSupplier())
              .addMethod(getGetMethod())
              .addMethod(getPutMethod())
              .addMethod(getDeleteMethod())
              .addMethod(getTouchMethod())
              .addMethod(getBatchGetMethod())
              .addMethod(getBatchWriteMethod())
              .addMethod(getPipelineMethod())
              .addMethod(getGetWriteOutcomeMethod())
              .build();
        }
      }
    }
    return result;
  }
}
