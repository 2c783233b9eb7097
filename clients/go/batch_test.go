package kindred

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

func keysNamed(count int) []Key {
	keys := make([]Key, count)
	for i := range keys {
		keys[i] = Key{Key: fmt.Sprint(i)}
	}
	return keys
}

func TestBatchGetYieldsEachItemOnce(t *testing.T) {
	calls := 0
	n := startNode(t, func(n *fakeNode) {
		n.onBatchGet = func(r *kindredv1.BatchGetRequest, stream grpc.ServerStreamingServer[kindredv1.BatchGetResponse]) error {
			calls++
			for i := len(r.GetKeys()) - 1; i >= 0; i-- {
				response := &kindredv1.BatchGetResponse{Index: uint32(i)}
				switch string(r.GetKeys()[i].GetKey()) {
				case "2":
					if calls == 1 {
						return status.Error(codes.Unavailable, "broken")
					}
				case "1":
					response.Status = &kindredv1.ItemStatus{
						Code: int32(codes.NotFound), Detail: &kindredv1.ErrorDetail{Reason: kindredv1.ErrorReason_ERROR_REASON_BUCKET_UNKNOWN},
					}
				}
				if response.Status == nil {
					response.Result = found("c", string(r.GetKeys()[i].GetKey()))
				}
				if err := stream.Send(response); err != nil {
					return err
				}
			}
			return nil
		}
	})
	c := dialNodes(t, []*fakeNode{n})
	seen := make(map[int]int)
	for item := range c.BatchGet(t.Context(), keysNamed(5)) {
		seen[item.Index]++
		switch {
		case item.Index == 1:
			if !errors.Is(item.Err, ErrBucketUnknown) {
				t.Errorf("item 1: %v", item.Err)
			}
		case item.Err != nil:
			t.Errorf("item %d: %v", item.Index, item.Err)
		default:
			if got := string(item.Result.(*Found).Value.Data); got != fmt.Sprint(item.Index) {
				t.Errorf("item %d: got %q", item.Index, got)
			}
		}
	}
	for i := range 5 {
		if seen[i] != 1 {
			t.Errorf("item %d was yielded %d times", i, seen[i])
		}
	}
	if calls != 2 {
		t.Errorf("%d calls, want 2", calls)
	}
}

func TestBatchWriteThatBreaks(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onBatchWrite = func(_ *kindredv1.BatchWriteRequest, stream grpc.ServerStreamingServer[kindredv1.BatchWriteResponse]) error {
			if len(requests[*kindredv1.BatchWriteRequest](n)) == 1 {
				put := &kindredv1.BatchWriteResponse_Put{Put: &kindredv1.PutResponse{Context: []byte("c")}}
				if err := stream.Send(&kindredv1.BatchWriteResponse{Index: 0, Result: put}); err != nil {
					return err
				}
				return status.Error(codes.Unavailable, "broken")
			}
			refused := &kindredv1.ItemStatus{Code: int32(codes.Unavailable), Detail: notApplied(ReasonNotEnoughReplicas)}
			return stream.Send(&kindredv1.BatchWriteResponse{Index: 0, Status: refused})
		}
	})
	c := dialNodes(t, []*fakeNode{n}, WithAttempts(2))
	mutations := []Mutation{NewPut("", "a", Value{}), NewDelete("", "b"), NewPut("", "c", Value{})}
	items := make(map[int]BatchItem[*WriteResult])
	for item := range c.BatchWrite(t.Context(), mutations) {
		items[item.Index] = item
	}
	if items[0].Err != nil || string(items[0].Result.Context.Bytes()) != "c" {
		t.Errorf("item 0: %+v", items[0])
	}
	// The second attempt says that it was not applied, and nobody knows of the first.
	if e := asError(t, items[1].Err); e.Reason != ReasonNotEnoughReplicas || e.Outcome != OutcomeUnknown || e.Attempts != 2 {
		t.Errorf("item 1: %+v", e)
	}
	if e := asError(t, items[2].Err); e.Code != codes.Unavailable || e.Outcome != OutcomeUnknown {
		t.Errorf("item 2: %+v", e)
	}
	sent := requests[*kindredv1.BatchWriteRequest](n)
	if len(sent) != 2 {
		t.Fatalf("%d calls, want 2", len(sent))
	}
	open := sent[1].GetMutations()
	if len(open) != 2 || !proto.Equal(open[0], sent[0].GetMutations()[1]) || !proto.Equal(open[1], sent[0].GetMutations()[2]) {
		t.Errorf("sent again %v", open)
	}
	for i, id := range [][]byte{
		1: open[0].GetDelete().GetOptions().GetRequestId(),
		2: open[1].GetPut().GetOptions().GetRequestId(),
	} {
		if i > 0 && asError(t, items[i].Err).RequestID.String() != fmt.Sprintf("%x", id) {
			t.Errorf("item %d was sent with request id %x: %+v", i, id, items[i].Err)
		}
	}
}

// TestBatchWriteLeavesWhatWasRefused: the caller was told that the item is not applied, so it must not be sent again.
func TestBatchWriteLeavesWhatWasRefused(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onBatchWrite = func(r *kindredv1.BatchWriteRequest, stream grpc.ServerStreamingServer[kindredv1.BatchWriteResponse]) error {
			if len(requests[*kindredv1.BatchWriteRequest](n)) == 1 {
				refused := &kindredv1.ItemStatus{Code: int32(codes.FailedPrecondition), Detail: notApplied(ReasonKeyExists)}
				if err := stream.Send(&kindredv1.BatchWriteResponse{Index: 0, Status: refused}); err != nil {
					return err
				}
				return status.Error(codes.Unavailable, "broken")
			}
			for i, mutation := range r.GetMutations() {
				put := &kindredv1.BatchWriteResponse_Put{Put: &kindredv1.PutResponse{Context: mutation.GetPut().GetKey().GetKey()}}
				if err := stream.Send(&kindredv1.BatchWriteResponse{Index: uint32(i), Result: put}); err != nil {
					return err
				}
			}
			return nil
		}
	})
	c := dialNodes(t, []*fakeNode{n})
	items := make(map[int]BatchItem[*WriteResult])
	for item := range c.BatchWrite(t.Context(), []Mutation{NewPut("", "a", Value{}), NewPut("", "b", Value{})}) {
		items[item.Index] = item
	}
	if e := asError(t, items[0].Err); e.Reason != ReasonKeyExists || e.Outcome != OutcomeNotApplied {
		t.Errorf("item 0: %+v", e)
	}
	if items[1].Err != nil || string(items[1].Result.Context.Bytes()) != "b" {
		t.Errorf("item 1: %+v", items[1])
	}
	for _, mutation := range requests[*kindredv1.BatchWriteRequest](n)[1].GetMutations() {
		if string(mutation.GetPut().GetKey().GetKey()) == "a" {
			t.Error("the refused item was sent again")
		}
	}
}

func TestBatchWriteOptions(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onBatchWrite = func(*kindredv1.BatchWriteRequest, grpc.ServerStreamingServer[kindredv1.BatchWriteResponse]) error {
			return status.Error(codes.ResourceExhausted, "")
		}
	})
	c := dialNodes(t, []*fakeNode{n}, WithWriteOptions(WithDurability(Buffered)))
	batch := RequestID{0: 7, 12: 1, 15: 3}
	id := NewRequestID()
	causal := NewCausalContext([]byte("c"))
	mutations := []Mutation{
		NewPut("", "a", Value{}, WithCausalContext(causal)),
		NewPut("", "b", Value{}, WithConsistency(One)),
		NewDelete("", "c", WithRequestID(id)),
	}
	for item := range c.BatchWrite(t.Context(), mutations, WithConsistency(All), WithRequestID(batch)) {
		if item.Err == nil {
			t.Errorf("item %d succeeded", item.Index)
		}
	}
	sent := requests[*kindredv1.BatchWriteRequest](n)[0]
	o := sent.GetMutations()[0].GetPut().GetOptions()
	if Consistency(o.GetConsistency()) != All || Durability(o.GetDurability()) != Buffered || string(o.GetRequestId()) != string(batch[:]) {
		t.Errorf("options of item 0: %v", o)
	}
	o = sent.GetMutations()[1].GetPut().GetOptions()
	second := RequestID{0: 7, 12: 1, 15: 2}
	if Consistency(o.GetConsistency()) != One || Durability(o.GetDurability()) != Buffered || string(o.GetRequestId()) != string(second[:]) {
		t.Errorf("options of item 1: %v", o)
	}
	o = sent.GetMutations()[2].GetDelete().GetOptions()
	if Consistency(o.GetConsistency()) != All || string(o.GetRequestId()) != string(id[:]) {
		t.Errorf("options of item 2: %v", o)
	}
}

func TestLeavingABatchEndsItsCall(t *testing.T) {
	ended := make(chan struct{})
	n := startNode(t, func(n *fakeNode) {
		n.onBatchGet = func(_ *kindredv1.BatchGetRequest, stream grpc.ServerStreamingServer[kindredv1.BatchGetResponse]) error {
			defer close(ended)
			if err := stream.Send(&kindredv1.BatchGetResponse{Index: 0, Result: absent("c")}); err != nil {
				return err
			}
			<-stream.Context().Done()
			return stream.Context().Err()
		}
	})
	c := dialNodes(t, []*fakeNode{n})
	for item := range c.BatchGet(t.Context(), keysNamed(2)) {
		if item.Index != 0 {
			t.Errorf("got item %d", item.Index)
		}
		break
	}
	<-ended
}

func TestCancelledBatch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := startNode(t, func(n *fakeNode) {
		n.onBatchWrite = func(_ *kindredv1.BatchWriteRequest, stream grpc.ServerStreamingServer[kindredv1.BatchWriteResponse]) error {
			cancel()
			<-stream.Context().Done()
			return stream.Context().Err()
		}
	})
	c := dialNodes(t, []*fakeNode{n})
	count := 0
	for item := range c.BatchWrite(ctx, []Mutation{NewPut("", "a", Value{}), NewDelete("", "b")}) {
		count++
		if e := asError(t, item.Err); e.Code != codes.Canceled || e.Outcome != OutcomeUnknown || !errors.Is(item.Err, context.Canceled) {
			t.Errorf("item %d: %+v", item.Index, e)
		}
	}
	if count != 2 {
		t.Errorf("%d items", count)
	}
}
