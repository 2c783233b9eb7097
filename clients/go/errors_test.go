package kindred

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

func TestErrorsTellWhatTheServerSaid(t *testing.T) {
	detail := &kindredv1.ErrorDetail{
		Reason:       kindredv1.ErrorReason_ERROR_REASON_REPLICA_FAILURE,
		WriteOutcome: kindredv1.WriteOutcome_WRITE_OUTCOME_UNKNOWN,
		RetryAfter:   durationpb.New(time.Second),
		Required:     2, Alive: 3, Answered: 1, TopologyEpoch: 4,
		Context: []byte("seen"), Field: "key.key",
		Failures: []*kindredv1.ReplicaFailure{{NodeId: "n2", Reason: kindredv1.ErrorReason_ERROR_REASON_DISK_FULL}},
	}
	n := startNode(t, alwaysPut(failing(codes.Aborted, detail)))
	c := dialNodes(t, []*fakeNode{n})
	_, err := c.Put(t.Context(), "", "k", Value{})
	err = fmt.Errorf("wrapped: %w", err)

	e := asError(t, err)
	if e.Op != "put" || e.Code != codes.Aborted || e.Message != "as the test says" || e.Reason != ReasonReplicaFailure ||
		e.Outcome != OutcomeUnknown || e.SafeToRetry || e.Attempts != 1 || e.Endpoint != n.address {
		t.Errorf("got %+v", e)
	}
	d := e.Detail
	if d.RetryAfter != time.Second || d.Required != 2 || d.Alive != 3 || d.Answered != 1 || d.TopologyEpoch != 4 ||
		string(d.Context.Bytes()) != "seen" || d.Field != "key.key" {
		t.Errorf("got detail %+v", d)
	}
	if len(d.Failures) != 1 || d.Failures[0] != (ReplicaFailure{"n2", ReasonDiskFull}) {
		t.Errorf("got failures %+v", d.Failures)
	}
	for _, target := range []error{ErrReplicaFailure, ErrOutcomeUnknown} {
		if !errors.Is(err, target) {
			t.Errorf("%v is not %v", err, target)
		}
	}
	for _, target := range []error{ErrQuorumTimeout, ErrClosed, context.Canceled} {
		if errors.Is(err, target) {
			t.Errorf("%v is %v", err, target)
		}
	}
	if got := status.Code(err); got != codes.Aborted {
		t.Errorf("status.Code says %v", got)
	}
	want := "wrapped: kindred: put: Aborted (REPLICA_FAILURE): as the test says; may have been applied"
	if err.Error() != want {
		t.Errorf("got  %q\nwant %q", err, want)
	}
}

func TestReadsHaveNoOutcome(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, fails[*kindredv1.GetResponse](status.Error(codes.ResourceExhausted, "")))
	})
	c := dialNodes(t, []*fakeNode{n})
	_, err := c.Get(t.Context(), "", "k")
	if e := asError(t, err); e.Outcome != OutcomeNone || e.Detail != nil || !e.SafeToRetry || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %+v", e)
	}
}

func TestNames(t *testing.T) {
	tests := map[string]fmt.Stringer{
		"NOT_ENOUGH_REPLICAS": ReasonNotEnoughReplicas,
		"UNSPECIFIED":         BucketConsistency,
		"LOCAL_QUORUM":        LocalQuorum,
		"PICK_LATEST":         PickLatest,
		"REJECT":              RejectIfExists,
		"SYNC_QUORUM":         SyncQuorum,
		"SLOPPY":              Sloppy,
		"NONE":                OutcomeNone,
		"NOT_APPLIED":         OutcomeNotApplied,
		"7:2:3":               Dot{7, 2, 3},
		"c2Vlbg==":            NewCausalContext([]byte("seen")),
	}
	for want, value := range tests {
		if got := value.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCausalContextTravelsAsText(t *testing.T) {
	text, err := NewCausalContext([]byte{0, 255}).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back CausalContext
	if err := back.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	if got := back.Bytes(); string(got) != "\x00\xff" {
		t.Errorf("got %x", got)
	}
	if err := back.UnmarshalText([]byte("not base64")); err == nil {
		t.Error("accepted what is no base64")
	}
}
