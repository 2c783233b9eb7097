"""A node that answers as it is told, over a real connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from kindred.v1 import kv_pb2, kv_pb2_grpc, types_pb2

ABSENT = kv_pb2.GetResponse(state=kv_pb2.GetResponse.STATE_ABSENT, context=b"seen")
STORED = kv_pb2.PutResponse(context=b"written", versions_held=1)
DELETED = kv_pb2.DeleteResponse(context=b"written", versions_held=1)

if TYPE_CHECKING:
    from typing_extensions import Self

Behaviour = Callable[[grpc.ServicerContext], None]


def fail(
    code: grpc.StatusCode,
    reason: types_pb2.ErrorReason.ValueType,
    outcome: types_pb2.WriteOutcome.ValueType = types_pb2.WRITE_OUTCOME_NOT_APPLIED,
) -> Behaviour:
    """Fails one call as a node does, with a detail."""

    def behave(context: grpc.ServicerContext) -> None:
        detail = any_pb2.Any()
        detail.Pack(types_pb2.ErrorDetail(reason=reason, write_outcome=outcome, safe_to_retry=True))
        status = Status(code=code.value[0], message="as told", details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, "as told")

    return behave


class ScriptedNode(kv_pb2_grpc.KeyValueServiceServicer):
    """Carries out `script`, one behaviour a call, and after that succeeds."""

    def __init__(self, port: int = 0) -> None:
        self.script: list[Behaviour] = []
        self.received: list[tuple[str, Message]] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.streams_cut = 0
        self.arrived = threading.Event()
        """Set when a call or a message of a pipeline has come."""
        self._server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        kv_pb2_grpc.add_KeyValueServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{self.port}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def Get(self, request: kv_pb2.GetRequest, context: grpc.ServicerContext) -> kv_pb2.GetResponse:
        self._take("Get", request, context)
        return ABSENT

    def Put(self, request: kv_pb2.PutRequest, context: grpc.ServicerContext) -> kv_pb2.PutResponse:
        self._take("Put", request, context)
        return STORED

    def Delete(self, request: kv_pb2.DeleteRequest, context: grpc.ServicerContext) -> kv_pb2.DeleteResponse:
        self._take("Delete", request, context)
        return DELETED

    def BatchGet(
        self, request: kv_pb2.BatchGetRequest, context: grpc.ServicerContext
    ) -> Iterator[kv_pb2.BatchGetResponse]:
        self._take("BatchGet", request, context)
        for index in range(len(request.keys)):
            yield kv_pb2.BatchGetResponse(index=index, result=ABSENT)

    def Pipeline(
        self, request_iterator: Iterator[kv_pb2.PipelineRequest], context: grpc.ServicerContext
    ) -> Iterator[kv_pb2.PipelineResponse]:
        for request in request_iterator:
            self._take("Pipeline", request, context)
            yield kv_pb2.PipelineResponse(results=[_result(operation) for operation in request.operations])

    def Touch(self, request: kv_pb2.TouchRequest, context: grpc.ServicerContext) -> kv_pb2.TouchResponse:
        self._take("Touch", request, context)
        return kv_pb2.TouchResponse(applied=False, context=b"seen")

    def BatchWrite(
        self, request: kv_pb2.BatchWriteRequest, context: grpc.ServicerContext
    ) -> Iterator[kv_pb2.BatchWriteResponse]:
        self._take("BatchWrite", request, context)
        for index in range(len(request.mutations)):
            yield kv_pb2.BatchWriteResponse(index=index, put=STORED)

    def GetWriteOutcome(
        self, request: kv_pb2.GetWriteOutcomeRequest, context: grpc.ServicerContext
    ) -> kv_pb2.GetWriteOutcomeResponse:
        self._take("GetWriteOutcome", request, context)
        return kv_pb2.GetWriteOutcomeResponse(
            outcome=kv_pb2.GetWriteOutcomeResponse.OUTCOME_NOT_SEEN, context=b"seen"
        )

    def _take(self, method: str, request: Message, context: grpc.ServicerContext) -> None:
        self.received.append((method, request))
        self.metadata.append(dict(context.invocation_metadata()))
        self.arrived.set()
        if self.script:
            self.script.pop(0)(context)


def hold(release: threading.Event) -> Behaviour:
    """Answers one call only when told to."""
    return lambda context: _wait(release)


def _wait(release: threading.Event) -> None:
    release.wait(10)


def _result(operation: kv_pb2.Operation) -> Any:
    match operation.WhichOneof("op"):
        case "get":
            return kv_pb2.OperationResult(id=operation.id, get=ABSENT)
        case "put":
            return kv_pb2.OperationResult(id=operation.id, put=STORED)
    return kv_pb2.OperationResult(id=operation.id, delete=DELETED)
