package io.kindred.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.kindred.v1.KeyValueServiceGrpc;
import io.kindred.v1.OperationResult;
import io.kindred.v1.PipelineRequest;
import io.kindred.v1.PipelineResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The stream of a pipeline to one node. One thread at a time writes: what is queued while it does
 * goes into the next message, so that groups grow by themselves as the load does.
 */
final class PipelineStream {

  private static final int GROUP_OPERATIONS_MAX = 1_000;
  private static final int GROUP_BYTES_MAX = 1 << 20;

  /** How many messages of answers may be on their way. */
  private static final int RESPONSES_AHEAD = 64;

  /** Who is told what becomes of operations that have no answer. */
  interface Owner {
    void ended(PipelineStream stream);

    void failed(PipelinedOperation<?> operation, AttemptFailure failure);

    void leftBehind(PipelinedOperation<?> operation, AttemptFailure end);
  }

  private final Endpoint endpoint;
  private final Executor executor;
  private final Owner owner;
  private final SentTracer tracer = new SentTracer();
  private final ClientCall<PipelineRequest, PipelineResponse> call;
  private final Queue<PipelinedOperation<?>> queue = new ConcurrentLinkedQueue<>();
  private final Map<Long, PipelinedOperation<?>> unanswered = new ConcurrentHashMap<>();

  /** How often writing was asked for since the writer last looked. */
  private final AtomicInteger wanted = new AtomicInteger();

  private long nextId;
  private volatile AttemptFailure end;

  PipelineStream(Endpoint endpoint, Executor executor, Owner owner) {
    this.endpoint = endpoint;
    this.executor = executor;
    this.owner = owner;
    this.call =
        endpoint
            .channel()
            .newCall(
                KeyValueServiceGrpc.getPipelineMethod(),
                CallOptions.DEFAULT.withStreamTracerFactory(tracer.factory()));
  }

  /** Opens a stream, which outlives the context of whoever happens to need it first. */
  static PipelineStream open(Endpoint endpoint, Executor executor, Owner owner) {
    Context previous = Context.ROOT.attach();
    try {
      PipelineStream stream = new PipelineStream(endpoint, executor, owner);
      stream.call.start(stream.new Results(), new Metadata());
      stream.call.request(RESPONSES_AHEAD);
      return stream;
    } finally {
      Context.ROOT.detach(previous);
    }
  }

  Endpoint endpoint() {
    return endpoint;
  }

  /**
   * Takes an operation.
   *
   * @return false if the stream has ended: take another one
   */
  boolean send(PipelinedOperation<?> operation) {
    queue.add(operation);
    if (end != null && queue.remove(operation)) {
      return false;
    }
    wake();
    return true;
  }

  /** Says that nothing more comes. Everything has its answer by now. */
  void halfClose() {
    call.halfClose();
  }

  private void wake() {
    if (wanted.getAndIncrement() > 0) {
      return;
    }
    try {
      executor.execute(this::write);
    } catch (RejectedExecutionException closed) {
      // The client was closed under the pipeline; somebody has to tell the operations.
      write();
    }
  }

  private void write() {
    int seen = wanted.get();
    do {
      while (end == null && call.isReady() && !queue.isEmpty()) {
        call.sendMessage(group());
      }
      if (end != null) {
        leaveBehind(end);
      }
      seen = wanted.addAndGet(-seen);
    } while (seen != 0);
  }

  private PipelineRequest group() {
    PipelineRequest.Builder group = PipelineRequest.newBuilder();
    int bytes = 0;
    while (group.getOperationsCount() < GROUP_OPERATIONS_MAX) {
      PipelinedOperation<?> next = queue.peek();
      if (next == null || (bytes > 0 && bytes + next.bytes() > GROUP_BYTES_MAX)) {
        break;
      }
      // Not the one that was looked at, if that was taken back because the stream has ended.
      PipelinedOperation<?> operation = queue.poll();
      if (operation == null) {
        break;
      }
      if (operation.isDone()) {
        continue;
      }
      long id = nextId++;
      unanswered.put(id, operation);
      bytes += operation.bytes();
      group.addOperations(operation.message(id));
    }
    return group.build();
  }

  private void answered(OperationResult result) {
    PipelinedOperation<?> operation = unanswered.remove(result.getId());
    if (operation == null) {
      return;
    }
    if (result.hasStatus()) {
      owner.failed(operation, AttemptFailure.ofItem(result.getStatus(), endpoint.address()));
    } else {
      operation.answer(result);
    }
  }

  private void leaveBehind(AttemptFailure failure) {
    List<PipelinedOperation<?>> sent = List.copyOf(unanswered.values());
    unanswered.clear();
    List<PipelinedOperation<?>> unsent = new ArrayList<>();
    for (PipelinedOperation<?> next = queue.poll(); next != null; next = queue.poll()) {
      unsent.add(next);
    }
    owner.ended(this);
    sent.forEach(operation -> owner.leftBehind(operation, failure));
    // Whatever ended the stream, it was not one of these.
    AttemptFailure notBegun =
        AttemptFailure.ofCall(
            Status.UNAVAILABLE.withDescription("the pipeline ended before: " + failure.message()),
            new Metadata(),
            false,
            endpoint.address());
    unsent.forEach(operation -> owner.failed(operation, notBegun));
  }

  private final class Results extends ClientCall.Listener<PipelineResponse> {
    @Override
    public void onReady() {
      wake();
    }

    @Override
    public void onMessage(PipelineResponse response) {
      call.request(1);
      response.getResultsList().forEach(PipelineStream.this::answered);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      Status failed =
          status.isOk()
              ? Status.UNAVAILABLE.withDescription("the server ended the pipeline")
              : status;
      end = AttemptFailure.ofCall(failed, trailers, tracer.sent(), endpoint.address());
      wake();
    }
  }
}
