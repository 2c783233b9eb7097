package kindred

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// Reasons to match with [errors.Is]. What to do about each is in docs/errors.md of Kindred.
var (
	// ErrNotEnoughReplicas: too few replicas are up for the level. Nothing was written.
	ErrNotEnoughReplicas error = reasonError(ReasonNotEnoughReplicas)
	// ErrQuorumTimeout: the replicas were asked, and too few answered in time.
	ErrQuorumTimeout error = reasonError(ReasonQuorumTimeout)
	// ErrReplicaFailure: so many replicas failed that the level cannot be met.
	ErrReplicaFailure error = reasonError(ReasonReplicaFailure)
	// ErrContextNotReached: no replica that answered has what the context says that you saw.
	ErrContextNotReached error = reasonError(ReasonContextNotReached)
	// ErrContextInvalid: a causal context is damaged, or of another key or cluster.
	ErrContextInvalid error = reasonError(ReasonContextInvalid)
	// ErrConflict: the key holds several versions, and one was asked for. A [*ConflictError] matches it too.
	ErrConflict error = reasonError(ReasonConflict)
	// ErrTooManySiblings: the key holds as many versions as its bucket allows.
	ErrTooManySiblings error = reasonError(ReasonTooManySiblings)
	// ErrRequestIDReused: the request id was used before, for another write.
	ErrRequestIDReused error = reasonError(ReasonRequestIDReused)
	// ErrTooLarge: something exceeds its limit, which [ErrorDetail.Field] names.
	ErrTooLarge error = reasonError(ReasonTooLarge)
	// ErrNodeOverloaded: the node has as much work as it takes.
	ErrNodeOverloaded error = reasonError(ReasonNodeOverloaded)
	// ErrDiskFull: the disk of the node is full.
	ErrDiskFull error = reasonError(ReasonDiskFull)
	// ErrKeyExists: the write was to be refused if the key has a value, and it has.
	ErrKeyExists error = reasonError(ReasonKeyExists)
	// ErrInvalidRequest: an argument is not allowed; [ErrorDetail.Field] names it.
	ErrInvalidRequest error = reasonError(ReasonInvalidRequest)
	// ErrBucketUnknown: the cluster has no bucket of this name.
	ErrBucketUnknown error = reasonError(ReasonBucketUnknown)
	// ErrNodeDraining: the node is shutting down.
	ErrNodeDraining error = reasonError(ReasonNodeDraining)
	// ErrStorageFailed: a disk of the node failed, or what it holds is damaged.
	ErrStorageFailed error = reasonError(ReasonStorageFailed)
)

var (
	// ErrOutcomeUnknown matches every failed write that may nevertheless have been applied, or yet be.
	ErrOutcomeUnknown = errors.New("kindred: the outcome of the write is unknown")
	// ErrClosed matches what fails because the [Client] or [Pipeline] has been closed.
	ErrClosed = errors.New("kindred: closed")
)

// A reasonError is a reason to match with errors.Is. Calls return an *Error.
type reasonError Reason

func (e reasonError) Error() string { return "kindred: " + Reason(e).String() }

// Reason says why a call failed, where the gRPC code says what class of failure it is.
type Reason int32

const (
	// ReasonUnspecified is no reason, or one of a later version of the server: go by the code.
	ReasonUnspecified       = Reason(kindredv1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	ReasonNotEnoughReplicas = Reason(kindredv1.ErrorReason_ERROR_REASON_NOT_ENOUGH_REPLICAS)
	ReasonQuorumTimeout     = Reason(kindredv1.ErrorReason_ERROR_REASON_QUORUM_TIMEOUT)
	ReasonReplicaFailure    = Reason(kindredv1.ErrorReason_ERROR_REASON_REPLICA_FAILURE)
	ReasonContextNotReached = Reason(kindredv1.ErrorReason_ERROR_REASON_CONTEXT_NOT_REACHED)
	ReasonContextInvalid    = Reason(kindredv1.ErrorReason_ERROR_REASON_CONTEXT_INVALID)
	ReasonConflict          = Reason(kindredv1.ErrorReason_ERROR_REASON_CONFLICT)
	ReasonTooManySiblings   = Reason(kindredv1.ErrorReason_ERROR_REASON_TOO_MANY_SIBLINGS)
	ReasonRequestIDReused   = Reason(kindredv1.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED)
	ReasonTooLarge          = Reason(kindredv1.ErrorReason_ERROR_REASON_TOO_LARGE)
	ReasonNodeOverloaded    = Reason(kindredv1.ErrorReason_ERROR_REASON_NODE_OVERLOADED)
	ReasonDiskFull          = Reason(kindredv1.ErrorReason_ERROR_REASON_DISK_FULL)
	ReasonKeyExists         = Reason(kindredv1.ErrorReason_ERROR_REASON_KEY_EXISTS)
	ReasonInvalidRequest    = Reason(kindredv1.ErrorReason_ERROR_REASON_INVALID_REQUEST)
	ReasonBucketUnknown     = Reason(kindredv1.ErrorReason_ERROR_REASON_BUCKET_UNKNOWN)
	ReasonNodeDraining      = Reason(kindredv1.ErrorReason_ERROR_REASON_NODE_DRAINING)
	ReasonStorageFailed     = Reason(kindredv1.ErrorReason_ERROR_REASON_STORAGE_FAILED)
	ReasonRetryUnsafe       = Reason(kindredv1.ErrorReason_ERROR_REASON_RETRY_UNSAFE)
)

// String returns the name of the reason in the API, for example "NOT_ENOUGH_REPLICAS".
func (r Reason) String() string {
	return enumName("ERROR_REASON_", kindredv1.ErrorReason(r))
}

// transient tells reasons that may be gone on another node, or a moment later.
func (r Reason) transient() bool {
	switch r {
	case ReasonNotEnoughReplicas, ReasonQuorumTimeout, ReasonReplicaFailure, ReasonContextNotReached,
		ReasonNodeOverloaded, ReasonDiskFull, ReasonNodeDraining, ReasonStorageFailed, ReasonRetryUnsafe:
		return true
	}
	return false
}

// Outcome says what a failure means for the write that was asked for.
type Outcome int32

const (
	// OutcomeNone: the call was not a write.
	OutcomeNone = Outcome(kindredv1.WriteOutcome_WRITE_OUTCOME_UNSPECIFIED)
	// OutcomeNotApplied: the write did not happen, and will never become visible.
	OutcomeNotApplied = Outcome(kindredv1.WriteOutcome_WRITE_OUTCOME_NOT_APPLIED)
	// OutcomeUnknown: some replica may hold the write, and it may become visible later. Send it again with the
	// same request id, or ask [Client.WriteOutcome].
	OutcomeUnknown = Outcome(kindredv1.WriteOutcome_WRITE_OUTCOME_UNKNOWN)
)

// String returns "NONE", "NOT_APPLIED" or "UNKNOWN".
func (o Outcome) String() string {
	if o == OutcomeNone {
		return "NONE"
	}
	return enumName("WRITE_OUTCOME_", kindredv1.WriteOutcome(o))
}

// An Error is what every operation that fails returns; get at it with [errors.As]. [errors.Is] matches it with
// its reason (ErrNotEnoughReplicas and so on), with [ErrOutcomeUnknown], and with [context.Canceled] or
// [context.DeadlineExceeded] if the caller's context ended it. [status.FromError] and [status.Code] understand it.
type Error struct {
	// Op is the operation: "get", "put", "delete", ...
	Op string
	// Code is the gRPC code of the last attempt.
	Code codes.Code
	// Message says what went wrong, in a sentence for people.
	Message string
	// Reason is that of Detail; ReasonUnspecified if there is none.
	Reason Reason
	// Outcome is what became of a write, over all attempts. It is never guessed.
	Outcome Outcome
	// SafeToRetry tells whether the very same message (with its request id) may be sent again without a second
	// effect. It does not say that this would help.
	SafeToRetry bool
	// RequestID is the one that the write carried: send it again with this one, or ask [Client.WriteOutcome]. Zero if the
	// call was not a write, or was refused before it had one.
	RequestID RequestID
	// Attempts is how many times the operation was tried. 0: it was not begun.
	Attempts int
	// Endpoint is the one that the last attempt went to. Empty if there was none.
	Endpoint string
	// Detail is what the server said about the failure. Nil: it said nothing.
	Detail *ErrorDetail

	cause error
}

// An ErrorDetail is what the server knows about a failure.
type ErrorDetail struct {
	// RetryAfter is how long to wait before trying again. 0: the server does not say.
	RetryAfter time.Duration
	// Required is how many replicas the level needs, Alive how many were up, and Answered how many had answered.
	Required, Alive, Answered int
	// Failures are the replicas that failed.
	Failures []ReplicaFailure
	// TopologyEpoch is the version of the cluster layout that the coordinator used. 0: does not apply.
	TopologyEpoch uint64
	// Context covers what is stored, with ErrTooManySiblings, ErrConflict and ErrKeyExists: a put with it resolves.
	Context CausalContext
	// Field is the path of the field that was not accepted, for example "key.key".
	Field string
}

// A ReplicaFailure is one replica that did not do its part, and why.
type ReplicaFailure struct {
	NodeID string
	Reason Reason
}

// Error returns the failure in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kindred: %s: %s", e.Op, e.Code)
	if e.Reason != ReasonUnspecified {
		fmt.Fprintf(&b, " (%s)", e.Reason)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	switch e.Outcome {
	case OutcomeNotApplied:
		b.WriteString("; not applied")
	case OutcomeUnknown:
		b.WriteString("; may have been applied")
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, "; %d attempts, last at %s", e.Attempts, e.Endpoint)
	}
	return b.String()
}

// Unwrap returns what made the client give up, for example [context.Canceled], or nil.
func (e *Error) Unwrap() error { return e.cause }

// Is matches the reason of the error, and [ErrOutcomeUnknown].
func (e *Error) Is(target error) bool {
	if target == ErrOutcomeUnknown {
		return e.Outcome == OutcomeUnknown
	}
	reason, ok := target.(reasonError)
	return ok && Reason(reason) == e.Reason
}

// GRPCStatus lets [status.FromError] understand the error. It has no details: those are in Detail.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

// A ConflictError is returned by [Client.Update] when siblings are left that it cannot resolve. [errors.Is] matches
// it with [ErrConflict].
type ConflictError struct {
	Key Key
	// Versions are the siblings, as they were read last. None: they could not be read after the last write.
	Versions []Version
	// Context covers them, and what was written if Applied: a put with it resolves.
	Context CausalContext
	// Applied tells whether the update itself was written. Then only the siblings are left to resolve.
	Applied bool

	cause error
}

// Error returns the failure in one line.
func (e *ConflictError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kindred: update of %q in bucket %q: ", e.Key.Key, e.Key.bucketName())
	if len(e.Versions) > 0 {
		fmt.Fprintf(&b, "%d versions raced", len(e.Versions))
	} else {
		b.WriteString("writes raced")
	}
	if e.Applied {
		b.WriteString(", the update is one of them")
	} else {
		b.WriteString(", nothing was written")
	}
	if e.cause != nil {
		fmt.Fprintf(&b, ": %v", e.cause)
	}
	return b.String()
}

// Unwrap returns why the siblings could not be resolved, or nil if there is no [Resolver].
func (e *ConflictError) Unwrap() error { return e.cause }

// Is matches [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// failure describes one attempt that did not succeed.
type failure struct {
	code    codes.Code
	message string
	detail  *kindredv1.ErrorDetail
	// sent is false only if nothing of the attempt can have reached a server.
	sent bool
	// ofStream: a pipeline's stream ended. Why need not have to do with each of the operations that it leaves.
	ofStream bool
}

// failureOf reads a gRPC error.
func failureOf(err error, sent bool) failure {
	st := status.Convert(err)
	f := failure{code: st.Code(), message: st.Message(), sent: sent}
	for _, detail := range st.Details() {
		if d, ok := detail.(*kindredv1.ErrorDetail); ok {
			f.detail = d
		}
	}
	return f
}

// failureOfItem reads the status of one item of a batch or a pipeline.
func failureOfItem(s *kindredv1.ItemStatus) failure {
	return failure{code: codes.Code(s.GetCode()), message: s.GetMessage(), detail: s.GetDetail(), sent: true}
}

// outcome says what became of this attempt of a write.
func (f failure) outcome() Outcome {
	switch {
	case f.detail.GetWriteOutcome() != kindredv1.WriteOutcome_WRITE_OUTCOME_UNSPECIFIED:
		return Outcome(f.detail.GetWriteOutcome())
	case f.sent:
		// Also for UNAVAILABLE: a gRPC library makes that by itself when a connection breaks.
		return OutcomeUnknown
	default:
		return OutcomeNotApplied
	}
}

// worthRetrying tells whether another attempt is harmless and may succeed. ended is whether the caller is gone.
func (f failure) worthRetrying(ended bool) bool {
	if ended {
		return false
	}
	if f.ofStream {
		return true
	}
	if f.detail != nil {
		return f.detail.GetSafeToRetry() && Reason(f.detail.GetReason()).transient()
	}
	switch f.code {
	case codes.Unavailable, codes.Canceled, codes.Internal, codes.Unknown:
		// None of these is Kindred's: it always says why. So a connection broke, or something between reset the
		// stream. Reads may be repeated, and so may writes, since every one has a request id.
		return true
	}
	return false
}

func (f failure) retryAfter() time.Duration {
	if f.detail.GetRetryAfter() == nil {
		return 0
	}
	return f.detail.GetRetryAfter().AsDuration()
}

func detailFromProto(d *kindredv1.ErrorDetail) *ErrorDetail {
	if d == nil {
		return nil
	}
	detail := &ErrorDetail{
		Required:      int(d.GetRequired()),
		Alive:         int(d.GetAlive()),
		Answered:      int(d.GetAnswered()),
		TopologyEpoch: d.GetTopologyEpoch(),
		Context:       CausalContext{d.GetContext()},
		Field:         d.GetField(),
	}
	if d.GetRetryAfter() != nil {
		detail.RetryAfter = d.GetRetryAfter().AsDuration()
	}
	for _, f := range d.GetFailures() {
		detail.Failures = append(detail.Failures, ReplicaFailure{NodeID: f.GetNodeId(), Reason: Reason(f.GetReason())})
	}
	return detail
}

// notBegun is the error of an operation that was given up before its first attempt.
func notBegun(op operation, code codes.Code, cause error) *Error {
	e := &Error{Op: op.name, Code: code, Message: cause.Error(), SafeToRetry: true, RequestID: op.requestID, cause: cause}
	if op.write {
		e.Outcome = OutcomeNotApplied
	}
	return e
}

// tooLarge is the error of an operation that no message can hold.
func tooLarge(op operation, field string, bytes, limit int) *Error {
	e := invalidArgument(op, field, fmt.Sprintf("the operation has %d bytes, and may have %d", bytes, limit))
	e.Reason = ReasonTooLarge
	return e
}

// invalidArgument is the error of an operation that the client itself refuses.
func invalidArgument(op operation, field, message string) *Error {
	e := notBegun(op, codes.InvalidArgument, errors.New(field+": "+message))
	e.Reason = ReasonInvalidRequest
	e.Detail = &ErrorDetail{Field: field}
	e.cause = nil
	return e
}

// codeOf is the gRPC code for the end of a context.
func codeOf(err error) codes.Code {
	if errors.Is(err, context.DeadlineExceeded) {
		return codes.DeadlineExceeded
	}
	return codes.Canceled
}

func enumName(prefix string, value fmt.Stringer) string {
	return strings.TrimPrefix(value.String(), prefix)
}
