package io.kindred.client;

import com.google.protobuf.Any;
import com.google.rpc.Status;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.StatusRuntimeException;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import io.kindred.v1.BatchGetRequest;
import io.kindred.v1.BatchGetResponse;
import io.kindred.v1.BatchWriteRequest;
import io.kindred.v1.BatchWriteResponse;
import io.kindred.v1.DeleteRequest;
import io.kindred.v1.DeleteResponse;
import io.kindred.v1.ErrorDetail;
import io.kindred.v1.ErrorReason;
import io.kindred.v1.GetPlacementRequest;
import io.kindred.v1.GetPlacementResponse;
import io.kindred.v1.GetRequest;
import io.kindred.v1.GetResponse;
import io.kindred.v1.KeyValueServiceGrpc.KeyValueServiceImplBase;
import io.kindred.v1.PipelineRequest;
import io.kindred.v1.PipelineResponse;
import io.kindred.v1.PutRequest;
import io.kindred.v1.PutResponse;
import io.kindred.v1.TopologyServiceGrpc.TopologyServiceImplBase;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.Function;

/** A node in this process that answers as a test says, and remembers what it was asked. */
final class ScriptedNode extends KeyValueServiceImplBase implements AutoCloseable {

  final List<GetRequest> gets = new CopyOnWriteArrayList<>();
  final List<PutRequest> puts = new CopyOnWriteArrayList<>();
  final List<DeleteRequest> deletes = new CopyOnWriteArrayList<>();
  final List<BatchGetRequest> batchGets = new CopyOnWriteArrayList<>();
  final List<BatchWriteRequest> batchWrites = new CopyOnWriteArrayList<>();
  final List<Metadata> headers = new CopyOnWriteArrayList<>();

  volatile BiConsumer<GetRequest, StreamObserver<GetResponse>> onGet =
      (request, answer) -> succeed(answer, absent("nothing"));
  volatile BiConsumer<PutRequest, StreamObserver<PutResponse>> onPut =
      (request, answer) -> succeed(answer, PutResponse.newBuilder().setVersionsHeld(1).build());
  volatile BiConsumer<BatchGetRequest, StreamObserver<BatchGetResponse>> onBatchGet;
  volatile BiConsumer<BatchWriteRequest, StreamObserver<BatchWriteResponse>> onBatchWrite;
  volatile Function<StreamObserver<PipelineResponse>, StreamObserver<PipelineRequest>> onPipeline;

  /** The table of homes, if the node tells it. */
  volatile GetPlacementResponse placement;

  final AtomicInteger placementsAsked = new AtomicInteger();

  private final String name;
  private final Server server;

  ScriptedNode(String name) {
    this.name = name;
    try {
      server =
          InProcessServerBuilder.forName(name)
              .intercept(new Headers())
              .addService(this)
              .addService(new Topology())
              .build()
              .start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  String name() {
    return name;
  }

  @Override
  public void get(GetRequest request, StreamObserver<GetResponse> answer) {
    gets.add(request);
    onGet.accept(request, answer);
  }

  @Override
  public void put(PutRequest request, StreamObserver<PutResponse> answer) {
    puts.add(request);
    onPut.accept(request, answer);
  }

  @Override
  public void delete(DeleteRequest request, StreamObserver<DeleteResponse> answer) {
    deletes.add(request);
    succeed(answer, DeleteResponse.newBuilder().setVersionsHeld(1).build());
  }

  @Override
  public void batchGet(BatchGetRequest request, StreamObserver<BatchGetResponse> answers) {
    batchGets.add(request);
    onBatchGet.accept(request, answers);
  }

  @Override
  public void batchWrite(BatchWriteRequest request, StreamObserver<BatchWriteResponse> answers) {
    batchWrites.add(request);
    onBatchWrite.accept(request, answers);
  }

  @Override
  public StreamObserver<PipelineRequest> pipeline(StreamObserver<PipelineResponse> answers) {
    return onPipeline.apply(answers);
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  static <T> void succeed(StreamObserver<T> answer, T message) {
    answer.onNext(message);
    answer.onCompleted();
  }

  static GetResponse absent(String context) {
    return GetResponse.newBuilder()
        .setState(GetResponse.State.STATE_ABSENT)
        .setContext(bytes(context))
        .build();
  }

  static GetResponse found(String context, String text) {
    return GetResponse.newBuilder()
        .setState(GetResponse.State.STATE_FOUND)
        .addVersions(version(text))
        .setContext(bytes(context))
        .build();
  }

  static GetResponse conflict(String context, String... texts) {
    GetResponse.Builder answer =
        GetResponse.newBuilder()
            .setState(GetResponse.State.STATE_CONFLICT)
            .setContext(bytes(context));
    for (String text : texts) {
      answer.addVersions(version(text));
    }
    return answer.build();
  }

  static PutResponse stored(String context, int versionsHeld) {
    return PutResponse.newBuilder()
        .setContext(bytes(context))
        .setVersionsHeld(versionsHeld)
        .build();
  }

  private static io.kindred.v1.Version version(String text) {
    return io.kindred.v1.Version.newBuilder()
        .setValue(io.kindred.v1.Value.newBuilder().setData(bytes(text)))
        .build();
  }

  static com.google.protobuf.ByteString bytes(String text) {
    return com.google.protobuf.ByteString.copyFromUtf8(text);
  }

  static ErrorDetail.Builder detail(
      ErrorReason reason, io.kindred.v1.WriteOutcome outcome, boolean safe) {
    return ErrorDetail.newBuilder().setReason(reason).setWriteOutcome(outcome).setSafeToRetry(safe);
  }

  static StatusRuntimeException failure(io.grpc.Status.Code code, ErrorDetail.Builder detail) {
    return StatusProto.toStatusRuntimeException(
        Status.newBuilder()
            .setCode(code.value())
            .setMessage("scripted")
            .addDetails(Any.pack(detail.build()))
            .build());
  }

  private final class Topology extends TopologyServiceImplBase {
    @Override
    public void getPlacement(
        GetPlacementRequest request, StreamObserver<GetPlacementResponse> answer) {
      placementsAsked.incrementAndGet();
      if (placement == null) {
        answer.onError(io.grpc.Status.UNIMPLEMENTED.asRuntimeException());
      } else {
        succeed(answer, placement);
      }
    }
  }

  private final class Headers implements ServerInterceptor {
    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata metadata, ServerCallHandler<Q, R> next) {
      headers.add(metadata);
      return next.startCall(call, metadata);
    }
  }
}
