package kindred

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %T %v, want an *Error", err, err)
	}
	return e
}

func alwaysPut(err error) func(*fakeNode) {
	return func(n *fakeNode) {
		n.onPut = func(context.Context, *kindredv1.PutRequest) (*kindredv1.PutResponse, error) { return nil, err }
	}
}

func TestRetryGoesToTheNextEndpointWithTheSameRequestID(t *testing.T) {
	draining := startNode(t, alwaysPut(failing(codes.Unavailable, notApplied(ReasonNodeDraining))))
	healthy := startNode(t, func(*fakeNode) {})
	c := dialNodes(t, []*fakeNode{draining, healthy})
	for range 10 {
		if _, err := c.Put(t.Context(), "", "k", Value{}); err != nil {
			t.Fatal(err)
		}
	}
	ids := make(map[string]bool)
	for _, r := range requests[*kindredv1.PutRequest](healthy) {
		ids[string(r.GetOptions().GetRequestId())] = true
	}
	if len(ids) != 10 {
		t.Errorf("10 puts have %d request ids", len(ids))
	}
	refused := requests[*kindredv1.PutRequest](draining)
	if len(refused) != 5 {
		t.Errorf("the draining node was asked %d times, want 5", len(refused))
	}
	for _, r := range refused {
		if !ids[string(r.GetOptions().GetRequestId())] {
			t.Errorf("request id %x did not come back", r.GetOptions().GetRequestId())
		}
	}
}

func TestRetryTable(t *testing.T) {
	unsafe := unknown(ReasonQuorumTimeout)
	unsafe.SafeToRetry = false
	tests := []struct {
		name     string
		err      error
		attempts int
		outcome  Outcome
	}{
		{"too few replicas", failing(codes.Unavailable, notApplied(ReasonNotEnoughReplicas)), 3, OutcomeNotApplied},
		{"quorum timeout", failing(codes.DeadlineExceeded, unknown(ReasonQuorumTimeout)), 3, OutcomeUnknown},
		{"replica failure", failing(codes.Aborted, unknown(ReasonReplicaFailure)), 3, OutcomeUnknown},
		{"context not reached", failing(codes.Unavailable, notApplied(ReasonContextNotReached)), 3, OutcomeNotApplied},
		{"overloaded", failing(codes.ResourceExhausted, notApplied(ReasonNodeOverloaded)), 3, OutcomeNotApplied},
		{"disk full", failing(codes.ResourceExhausted, notApplied(ReasonDiskFull)), 3, OutcomeNotApplied},
		{"draining", failing(codes.Unavailable, notApplied(ReasonNodeDraining)), 3, OutcomeNotApplied},
		{"storage failed", failing(codes.Aborted, unknown(ReasonStorageFailed)), 3, OutcomeUnknown},
		{"retry unsafe", failing(codes.Aborted, unknown(ReasonRetryUnsafe)), 3, OutcomeUnknown},
		{"not safe to retry", failing(codes.DeadlineExceeded, unsafe), 1, OutcomeUnknown},
		{"invalid", failing(codes.InvalidArgument, notApplied(ReasonInvalidRequest)), 1, OutcomeNotApplied},
		{"too large", failing(codes.ResourceExhausted, notApplied(ReasonTooLarge)), 1, OutcomeNotApplied},
		{"key exists", failing(codes.FailedPrecondition, notApplied(ReasonKeyExists)), 1, OutcomeNotApplied},
		{"defect", failing(codes.Internal, unknown(ReasonUnspecified)), 1, OutcomeUnknown},
		{"unavailable without a detail", status.Error(codes.Unavailable, ""), 3, OutcomeUnknown},
		{"internal without a detail", status.Error(codes.Internal, ""), 3, OutcomeUnknown},
		{"cancelled by the server", status.Error(codes.Canceled, ""), 3, OutcomeUnknown},
		{"unimplemented", status.Error(codes.Unimplemented, ""), 1, OutcomeUnknown},
		{"exhausted without a detail", status.Error(codes.ResourceExhausted, ""), 1, OutcomeUnknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := startNode(t, alwaysPut(test.err))
			c := dialNodes(t, []*fakeNode{n}, WithAttempts(3))
			_, err := c.Put(t.Context(), "", "k", Value{})
			e := asError(t, err)
			if e.Attempts != test.attempts || e.Outcome != test.outcome {
				t.Errorf("got %d attempts and %v, want %d and %v", e.Attempts, e.Outcome, test.attempts, test.outcome)
			}
			if e.Code != status.Code(test.err) {
				t.Errorf("got code %v, want %v", e.Code, status.Code(test.err))
			}
			if got := len(requests[*kindredv1.PutRequest](n)); got != test.attempts {
				t.Errorf("the server saw %d attempts, want %d", got, test.attempts)
			}
		})
	}
}

func TestAfterAnUnknownAttemptTheWholeIsUnknown(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onPut = script[*kindredv1.PutRequest](t,
			fails[*kindredv1.PutResponse](status.Error(codes.Unavailable, "the connection broke")),
			fails[*kindredv1.PutResponse](failing(codes.FailedPrecondition, notApplied(ReasonKeyExists))),
		)
	})
	c := dialNodes(t, []*fakeNode{n})
	_, err := c.Put(t.Context(), "", "k", Value{}, WithBlindWrite(RejectIfExists))
	if e := asError(t, err); e.Outcome != OutcomeUnknown || e.Attempts != 2 {
		t.Errorf("got %v after %d attempts, want UNKNOWN after 2", e.Outcome, e.Attempts)
	}
	if !errors.Is(err, ErrKeyExists) || !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("%v matches not both of ErrKeyExists and ErrOutcomeUnknown", err)
	}
}

func TestWhatWasNeverSentIsNotApplied(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close() // Now nobody listens there.
	c, err := NewClient([]string{address}, WithAttempts(2))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Put(t.Context(), "", "k", Value{})
	if e := asError(t, err); e.Code != codes.Unavailable || e.Outcome != OutcomeNotApplied || e.Attempts != 2 || e.Endpoint != address {
		t.Errorf("got %+v", e)
	}
}

func TestABrokenConnectionLeavesAWriteUnknown(t *testing.T) {
	arrived := make(chan struct{})
	n := startNode(t, func(n *fakeNode) {
		n.onPut = func(ctx context.Context, _ *kindredv1.PutRequest) (*kindredv1.PutResponse, error) {
			close(arrived)
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	c := dialNodes(t, []*fakeNode{n}, WithAttempts(2))
	go func() {
		<-arrived
		n.server.Stop()
	}()
	_, err := c.Put(t.Context(), "", "k", Value{})
	if e := asError(t, err); e.Code != codes.Unavailable || e.Outcome != OutcomeUnknown {
		t.Errorf("got %v, want UNAVAILABLE and UNKNOWN", e)
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	const pause = 120 * time.Millisecond
	busy := notApplied(ReasonNodeOverloaded)
	busy.RetryAfter = durationpb.New(pause)
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t,
			fails[*kindredv1.GetResponse](failing(codes.ResourceExhausted, busy)),
			says(absent("c")),
		)
	})
	c := dialNodes(t, []*fakeNode{n})
	start := time.Now()
	if _, err := c.Get(t.Context(), "", "k"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < pause {
		t.Errorf("tried again after %v, want at least %v", took, pause)
	}
}

func TestNoWaitBeyondTheTimeout(t *testing.T) {
	busy := notApplied(ReasonNodeOverloaded)
	busy.RetryAfter = durationpb.New(time.Hour)
	n := startNode(t, alwaysPut(failing(codes.ResourceExhausted, busy)))
	c := dialNodes(t, []*fakeNode{n})
	start := time.Now()
	_, err := c.Put(t.Context(), "", "k", Value{})
	if e := asError(t, err); e.Attempts != 1 || e.Detail.RetryAfter != time.Hour {
		t.Errorf("got %+v", e)
	}
	if took := time.Since(start); took > testTimeout {
		t.Errorf("gave up after %v", took)
	}
}

func TestTheServerIsToldTheTimeThatIsLeft(t *testing.T) {
	left := make(chan time.Duration, 1)
	n := startNode(t, func(n *fakeNode) {
		n.onGet = func(ctx context.Context, _ *kindredv1.GetRequest) (*kindredv1.GetResponse, error) {
			deadline, _ := ctx.Deadline()
			left <- time.Until(deadline)
			return absent("c"), nil
		}
	})
	c := dialNodes(t, []*fakeNode{n})
	if _, err := c.Get(t.Context(), "", "k"); err != nil {
		t.Fatal(err)
	}
	if got := <-left; got > time.Minute || got < 30*time.Second {
		t.Errorf("with the timeout of the client: %v left, want a minute", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.Get(ctx, "", "k"); err != nil {
		t.Fatal(err)
	}
	if got := <-left; got > 20*time.Second {
		t.Errorf("with an earlier deadline of the caller: %v left", got)
	}
}

func TestCancelling(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := startNode(t, func(n *fakeNode) {
		n.onPut = func(ctx context.Context, _ *kindredv1.PutRequest) (*kindredv1.PutResponse, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	c := dialNodes(t, []*fakeNode{n})

	_, err := c.Put(ctx, "", "k", Value{})
	e := asError(t, err)
	if e.Code != codes.Canceled || e.Outcome != OutcomeUnknown || e.Attempts != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("a write under way: got %+v", e)
	}

	_, err = c.Put(ctx, "", "k", Value{})
	e = asError(t, err)
	if e.Code != codes.Canceled || e.Outcome != OutcomeNotApplied || e.Attempts != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("a write that was not begun: got %+v", e)
	}
	if got := len(requests[*kindredv1.PutRequest](n)); got != 1 {
		t.Errorf("the server saw %d writes, want 1", got)
	}
}

func TestCancellingBetweenAttempts(t *testing.T) {
	busy := notApplied(ReasonNodeOverloaded)
	busy.RetryAfter = durationpb.New(4 * time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	n := startNode(t, func(n *fakeNode) {
		n.onPut = func(context.Context, *kindredv1.PutRequest) (*kindredv1.PutResponse, error) {
			time.AfterFunc(50*time.Millisecond, cancel)
			return nil, failing(codes.ResourceExhausted, busy)
		}
	})
	c := dialNodes(t, []*fakeNode{n})
	_, err := c.Put(ctx, "", "k", Value{})
	if e := asError(t, err); e.Code != codes.Canceled || e.Outcome != OutcomeNotApplied || e.Reason != ReasonNodeOverloaded {
		t.Errorf("got %+v", e)
	}
}

func TestAfterClose(t *testing.T) {
	n := startNode(t, func(*fakeNode) {})
	c := dialNodes(t, []*fakeNode{n})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := c.Put(t.Context(), "", "k", Value{})
	if e := asError(t, err); !errors.Is(err, ErrClosed) || e.Outcome != OutcomeNotApplied {
		t.Errorf("got %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

func TestBackoff(t *testing.T) {
	ceilings := []time.Duration{25, 50, 100, 200, 400, 800, 1000, 1000, 1000}
	for i, ceiling := range ceilings {
		longest := time.Duration(0)
		for range 1000 {
			longest = max(longest, backoff(i+1))
		}
		ceiling *= time.Millisecond
		if longest > ceiling || longest < ceiling/2 {
			t.Errorf("after %d attempts: at most %v, want up to %v", i+1, longest, ceiling)
		}
	}
}

func TestErrorTellsTheRequestID(t *testing.T) {
	n := startNode(t, alwaysPut(failing(codes.FailedPrecondition, notApplied(ReasonKeyExists))))
	c := dialNodes(t, []*fakeNode{n})
	_, err := c.Put(t.Context(), "", "k", Value{})
	sent := requests[*kindredv1.PutRequest](n)[0].GetOptions().GetRequestId()
	if e := asError(t, err); e.RequestID.String() != fmt.Sprintf("%x", sent) {
		t.Errorf("sent with request id %x, got %+v", sent, e)
	}
}
