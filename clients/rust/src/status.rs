//! What can be read out of a gRPC status.

use std::error::Error;

use prost::Message as _;
use tonic::{Code, Status};

use crate::proto::{ErrorDetail, ErrorReason, rpc};

/// Failures that another attempt, or another node, may not have.
pub(crate) fn is_transient(reason: ErrorReason) -> bool {
    matches!(
        reason,
        ErrorReason::NotEnoughReplicas
            | ErrorReason::QuorumTimeout
            | ErrorReason::ReplicaFailure
            | ErrorReason::ContextNotReached
            | ErrorReason::NodeOverloaded
            | ErrorReason::DiskFull
            | ErrorReason::NodeDraining
            | ErrorReason::StorageFailed
            | ErrorReason::RetryUnsafe
    )
}

pub(crate) fn detail_of(status: &Status) -> Option<ErrorDetail> {
    rpc::Status::decode(status.details())
        .ok()?
        .details
        .into_iter()
        .find(|any| any.type_url.ends_with("/kindred.v1.ErrorDetail"))
        .and_then(|any| ErrorDetail::decode(any.value.as_slice()).ok())
}

/// Whether the status was made here, because the connection failed, rather than sent by a server.
pub(crate) fn is_broken_connection(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::Cancelled | Code::Internal => status.source().is_some(),
        // Also without a source: a stream that ended without a status.
        Code::Unknown => true,
        _ => false,
    }
}

/// Whether the connection could not be made, so that nothing can have been sent.
pub(crate) fn is_refused_connection(status: &Status) -> bool {
    causes(status).any(<dyn Error>::is::<tonic::ConnectError>)
}

pub(crate) fn is_local_timeout(status: &Status) -> bool {
    causes(status).any(<dyn Error>::is::<tonic::TimeoutExpired>)
}

pub(crate) fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(status as &(dyn Error + 'static)), |&error| {
        error.source()
    })
}

pub(crate) fn innermost(status: &Status) -> String {
    match causes(status).skip(1).last() {
        Some(cause) => cause.to_string(),
        None => status.message().to_owned(),
    }
}

/// The name that the gRPC specification gives the code.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
