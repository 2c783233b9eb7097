use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};

use crate::proto::{self, ErrorDetail, ErrorReason};
use crate::status;
use crate::{Context, RequestId, Version};

/// What a failure means for the write that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The write did not happen and will never become visible.
    NotApplied,
    /// Some replica may hold the write, or may get it yet. Send it again with the same request id, or ask
    /// [`Client::write_outcome`](crate::Client::write_outcome).
    Unknown,
}

/// Why an operation failed, after the retries that were allowed.
///
/// For programs: the [`code`](Self::code) is the class of the failure, the [`reason`](Self::reason) the exact one, and
/// the [`outcome`](Self::outcome) says what became of the write. The outcome is never guessed: as soon as one attempt may
/// have been applied it is [`Outcome::Unknown`], whatever the last attempt was told.
///
/// ```
/// use kindred_client::{Error, Outcome, proto::ErrorReason};
///
/// fn advice(error: &Error) -> &'static str {
///     match (error.reason(), error.outcome()) {
///         (ErrorReason::TooManySiblings, _) => "merge, and put with error.context()",
///         (_, Some(Outcome::Unknown)) => "ask write_outcome, or send it again with the same request id",
///         (_, Some(Outcome::NotApplied)) => "nothing has happened",
///         (_, None) => "a read",
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: String,
    reason: ErrorReason,
    detail: Option<ErrorDetail>,
    outcome: Option<Outcome>,
    /// Whether the same message may succeed if it is sent again soon, to this or another endpoint.
    transient: bool,
    /// Whether the connection failed, rather than the operation.
    broken: bool,
    attempts: u32,
    request_id: Option<RequestId>,
    endpoint: Option<String>,
    conflict: Option<UnresolvedConflict>,
    source: Option<Status>,
}

/// Versions that [`Client::update`](crate::Client::update) could not make into one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnresolvedConflict {
    /// The versions that raced, sorted by dot; empty if they could not be read.
    pub versions: Vec<Version>,
    /// Covers them: a put with it resolves the conflict.
    pub context: Context,
    /// Whether the write of the update has been applied, and is one of the versions or was merged into one.
    pub applied: bool,
}

/// Whether an operation reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
}

impl Kind {
    fn outcome(self, outcome: Outcome) -> Option<Outcome> {
        (self == Self::Write).then_some(outcome)
    }
}

impl Error {
    /// The class of the failure.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The failure in a sentence, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The exact failure; `Unspecified` where nobody can tell, or the server is of a later version.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        self.0.reason
    }

    /// What the server said about the failure; `None` if the failure did not come from a server.
    #[must_use]
    pub fn detail(&self) -> Option<&ErrorDetail> {
        self.0.detail.as_ref()
    }

    /// What became of the write; `None` for reads, and for an [update](Self::conflict) whose write has been applied.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.0.outcome
    }

    /// Whether the same operation, with the same request id if it writes, may be sent again without a second effect.
    #[must_use]
    pub fn is_safe_to_retry(&self) -> bool {
        // Without a detail: reads always are, and writes because the client gives each a request id.
        self.detail().is_none_or(|detail| detail.safe_to_retry)
    }

    /// How long the server asks to wait before another attempt.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.detail()?.retry_after?.try_into().ok()
    }

    /// With `TooManySiblings`, `Conflict` and `KeyExists`: covers what is stored, so that a put with it resolves.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        if let Some(conflict) = self.conflict() {
            return Some(conflict.context.clone());
        }
        self.detail()
            .filter(|detail| !detail.context.is_empty())
            .map(|detail| Context::from_bytes(detail.context.clone()))
    }

    /// The versions that an update could not make into one; `None` for every other failure.
    #[must_use]
    pub fn conflict(&self) -> Option<&UnresolvedConflict> {
        self.0.conflict.as_ref()
    }

    /// How many times the operation was tried.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The identity of the write that failed: for [`Client::write_outcome`](crate::Client::write_outcome), or to send it
    /// again. That of the batch if a batch failed as a whole; `None` for reads, and for what never became a write.
    #[must_use]
    pub fn request_id(&self) -> Option<RequestId> {
        self.0.request_id
    }

    /// The endpoint of the last attempt; `None` if there was none.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// Whether the connection failed, rather than the operation.
    pub(crate) fn is_broken_connection(&self) -> bool {
        self.0.broken
    }

    pub(crate) fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// A failure that the client found before anything was sent.
    pub(crate) fn local(kind: Kind, code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            reason: ErrorReason::Unspecified,
            detail: None,
            outcome: kind.outcome(Outcome::NotApplied),
            transient: false,
            broken: false,
            attempts: 0,
            request_id: None,
            endpoint: None,
            conflict: None,
            source: None,
        }))
    }

    /// An argument that cannot be sent.
    pub(crate) fn invalid(kind: Kind, reason: ErrorReason, message: impl Into<String>) -> Self {
        let mut error = Self::local(kind, Code::InvalidArgument, message);
        error.0.reason = reason;
        error
    }

    /// No endpoint could be reached, so nothing was sent.
    pub(crate) fn unreachable(kind: Kind, message: impl Into<String>) -> Self {
        let mut error = Self::local(kind, Code::Unavailable, message);
        error.0.transient = true;
        error
    }

    /// The time was over before an answer came.
    pub(crate) fn timed_out(kind: Kind, endpoint: &str) -> Self {
        let message = format!("no answer from {endpoint} in time");
        let mut error = Self::local(kind, Code::DeadlineExceeded, message);
        error.0.outcome = kind.outcome(Outcome::Unknown);
        error.0.endpoint = Some(endpoint.to_owned());
        error
    }

    /// The connection went away before an answer came.
    pub(crate) fn disconnected(kind: Kind, endpoint: &str, cause: &str) -> Self {
        let message = format!("the connection to {endpoint} broke: {cause}");
        let mut error = Self::unreachable(kind, message);
        error.0.outcome = kind.outcome(Outcome::Unknown);
        error.0.endpoint = Some(endpoint.to_owned());
        error.0.broken = true;
        error
    }

    /// An update that ended with several versions.
    pub(crate) fn unresolved(message: &str, conflict: UnresolvedConflict) -> Self {
        let mut error = Self::local(Kind::Write, Code::FailedPrecondition, message);
        if conflict.applied {
            // The write is known to have happened: neither outcome of a failed one is true.
            error.0.outcome = None;
        }
        error.0.reason = ErrorReason::Conflict;
        error.0.conflict = Some(conflict);
        error
    }

    /// The failure of what followed an update's own write, which is applied: neither outcome of a failed write is true.
    pub(crate) fn after_applied(mut self, conflict: UnresolvedConflict) -> Self {
        self.0.message = format!(
            "the update is applied, but what raced it is not resolved: {}",
            self.0.message
        );
        self.0.outcome = None;
        self.0.conflict = Some(conflict);
        self
    }

    /// The failure of an update whose writes were all refused, because others came first; what is stored is covered by
    /// the context of the last refusal, or by what was read.
    pub(crate) fn after_lost_races(mut self, read: Context) -> Self {
        let context = self.context().unwrap_or(read);
        self.0.conflict = Some(UnresolvedConflict {
            versions: Vec::new(),
            context,
            applied: false,
        });
        self
    }

    /// What the server, or the transport, said of a call.
    pub(crate) fn from_status(kind: Kind, endpoint: &str, status: Status) -> Self {
        if status::is_local_timeout(&status) {
            return Self::timed_out(kind, endpoint);
        }
        let detail = status::detail_of(&status);
        let broken = detail.is_none() && status::is_broken_connection(&status);
        let refused = broken && status::is_refused_connection(&status);
        let message = if broken {
            format!(
                "the connection to {endpoint} broke: {}",
                status::innermost(&status)
            )
        } else {
            status.message().to_owned()
        };
        let mut error = Self::failed(kind, status.code(), message, detail);
        if broken {
            // What other gRPC libraries call it; tonic says UNKNOWN, CANCELLED or INTERNAL by how the connection broke.
            error.0.code = Code::Unavailable;
            error.0.transient = true;
            error.0.broken = true;
        }
        if refused {
            error.0.outcome = kind.outcome(Outcome::NotApplied);
        }
        error.0.endpoint = Some(endpoint.to_owned());
        error.0.source = Some(status);
        error
    }

    /// What the server said of one item of a batch or a pipeline.
    pub(crate) fn from_item(kind: Kind, endpoint: &str, status: proto::ItemStatus) -> Self {
        let code = Code::from_i32(status.code);
        let mut error = Self::failed(kind, code, status.message, status.detail);
        error.0.endpoint = Some(endpoint.to_owned());
        error
    }

    fn failed(kind: Kind, code: Code, message: String, detail: Option<ErrorDetail>) -> Self {
        let told = detail.as_ref().map(ErrorDetail::write_outcome);
        let outcome = match told {
            Some(proto::WriteOutcome::NotApplied) => Outcome::NotApplied,
            _ => Outcome::Unknown,
        };
        let transient = match &detail {
            Some(detail) => detail.safe_to_retry && status::is_transient(detail.reason()),
            None => code == Code::Unavailable,
        };
        Self(Box::new(Inner {
            code,
            message,
            reason: detail
                .as_ref()
                .map_or(ErrorReason::Unspecified, ErrorDetail::reason),
            detail,
            outcome: kind.outcome(outcome),
            transient,
            broken: false,
            attempts: 1,
            request_id: None,
            endpoint: None,
            conflict: None,
            source: None,
        }))
    }

    /// The same, of the write with this id.
    pub(crate) fn of(mut self, request_id: Option<RequestId>) -> Self {
        self.0.request_id = request_id;
        self
    }

    /// The error of the whole operation, of which this was the last attempt.
    pub(crate) fn after(mut self, attempts: u32, an_attempt_is_unknown: bool) -> Self {
        self.0.attempts = attempts;
        if an_attempt_is_unknown && self.0.outcome.is_some() {
            self.0.outcome = Some(Outcome::Unknown);
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "{} [{}", inner.message, status::code_name(inner.code))?;
        if self.reason() != ErrorReason::Unspecified {
            let name = self.reason().as_str_name();
            write!(f, ", {}", name.trim_start_matches("ERROR_REASON_"))?;
        }
        match inner.outcome {
            Some(Outcome::NotApplied) => f.write_str(", not applied")?,
            Some(Outcome::Unknown) => f.write_str(", may have been applied")?,
            None => {}
        }
        if inner.attempts > 1 {
            write!(f, ", {} attempts", inner.attempts)?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("code", &inner.code)
            .field("message", &inner.message)
            .field("outcome", &inner.outcome)
            .field("attempts", &inner.attempts)
            .field("request_id", &inner.request_id)
            .field("endpoint", &inner.endpoint)
            .field("detail", &inner.detail)
            .field("conflict", &inner.conflict)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|status| status as _)
    }
}
