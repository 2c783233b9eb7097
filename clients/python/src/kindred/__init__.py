"""A client of Kindred, a key-value store that keeps what raced until you say what becomes of it.

Start with `Client`, or `AsyncClient` for asyncio. `kindred.resolvers` has functions that resolve siblings,
`kindred.testing` checks those of your own, and `kindred.v1` is the bare API, generated.
"""

from kindred._batch import BatchItem, Delete, Mutation, Put
from kindred._blocking import Cancellation
from kindred._update import DELETE, KEEP, Change, Verdict
from kindred.async_client import AsyncChange, AsyncClient, AsyncSession
from kindred.async_pipeline import AsyncPipeline
from kindred.client import Client, Session
from kindred.errors import (
    ClientClosedError,
    ConflictError,
    ErrorDetail,
    InvalidRequestError,
    KindredError,
    Outcome,
    Reason,
    ReplicaFailure,
)
from kindred.options import (
    Blind,
    Consistency,
    Durability,
    Handoff,
    OnConflict,
    ReadOptions,
    Tls,
    WriteOptions,
)
from kindred.pipeline import Pipeline
from kindred.resolvers import Resolver
from kindred.values import (
    Absent,
    Conflict,
    Context,
    Dot,
    Found,
    GetResult,
    PutResult,
    ReadReport,
    TouchResult,
    UpdateResult,
    Value,
    ValueLike,
    Version,
    WriteOutcome,
    WriteReport,
    WriteStatus,
)

__version__ = "0.1.0"

__all__ = [
    "DELETE",
    "KEEP",
    "Absent",
    "AsyncChange",
    "AsyncClient",
    "AsyncPipeline",
    "AsyncSession",
    "BatchItem",
    "Blind",
    "Cancellation",
    "Change",
    "Client",
    "ClientClosedError",
    "Conflict",
    "ConflictError",
    "Consistency",
    "Context",
    "Delete",
    "Dot",
    "Durability",
    "ErrorDetail",
    "Found",
    "GetResult",
    "Handoff",
    "InvalidRequestError",
    "KindredError",
    "Mutation",
    "OnConflict",
    "Outcome",
    "Pipeline",
    "Put",
    "PutResult",
    "ReadOptions",
    "ReadReport",
    "Reason",
    "ReplicaFailure",
    "Resolver",
    "Session",
    "Tls",
    "TouchResult",
    "UpdateResult",
    "Value",
    "ValueLike",
    "Verdict",
    "Version",
    "WriteOptions",
    "WriteOutcome",
    "WriteReport",
    "WriteStatus",
    "__version__",
]
