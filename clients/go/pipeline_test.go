package kindred

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

type pipelineStream = grpc.BidiStreamingServer[kindredv1.PipelineRequest, kindredv1.PipelineResponse]

// echoing answers every operation with its key, or as answer says.
func echoing(n *fakeNode, answer func(*kindredv1.Operation) *kindredv1.OperationResult) func(pipelineStream) error {
	return func(stream pipelineStream) error {
		for {
			request, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			n.record(request)
			response := new(kindredv1.PipelineResponse)
			for _, op := range request.GetOperations() {
				if result := answer(op); result != nil {
					result.Id = op.GetId()
					response.Results = append(response.Results, result)
				}
			}
			if err := stream.Send(response); err != nil {
				return err
			}
		}
	}
}

func done(op *kindredv1.Operation) *kindredv1.OperationResult {
	switch {
	case op.GetGet() != nil:
		key := string(op.GetGet().GetKey().GetKey())
		return &kindredv1.OperationResult{Result: &kindredv1.OperationResult_Get{Get: found("c", key)}}
	case op.GetPut() != nil:
		key := op.GetPut().GetKey().GetKey()
		return &kindredv1.OperationResult{Result: &kindredv1.OperationResult_Put{Put: &kindredv1.PutResponse{Context: key}}}
	case op.GetDelete() != nil:
		key := op.GetDelete().GetKey().GetKey()
		return &kindredv1.OperationResult{Result: &kindredv1.OperationResult_Delete{Delete: &kindredv1.DeleteResponse{Context: key}}}
	default:
		key := op.GetTouch().GetKey().GetKey()
		return &kindredv1.OperationResult{
			Result: &kindredv1.OperationResult_Touch{Touch: &kindredv1.TouchResponse{Applied: true, Context: key}},
		}
	}
}

func itemFailed(code codes.Code, detail *kindredv1.ErrorDetail) *kindredv1.OperationResult {
	return &kindredv1.OperationResult{Status: &kindredv1.ItemStatus{Code: int32(code), Message: "as the test says", Detail: detail}}
}

func operationsOf(n *fakeNode) []*kindredv1.Operation {
	var all []*kindredv1.Operation
	for _, request := range requests[*kindredv1.PipelineRequest](n) {
		all = append(all, request.GetOperations()...)
	}
	return all
}

func TestPipelineAnswersEachOperation(t *testing.T) {
	n := startNode(t, func(n *fakeNode) { n.onPipeline = echoing(n, done) })
	p := dialNodes(t, []*fakeNode{n}).Pipeline()
	get, put := p.Get(t.Context(), "", "g"), p.Put(t.Context(), "", "p", Value{Data: []byte("v")})
	del, touch := p.Delete(t.Context(), "", "d"), p.Touch(t.Context(), "", "t", WithTTL(time.Hour))
	if r, err := get.Result(); err != nil || string(r.(*Found).Value.Data) != "g" {
		t.Errorf("get: %v, %v", r, err)
	}
	if r, err := put.Result(); err != nil || string(r.Context.Bytes()) != "p" {
		t.Errorf("put: %v, %v", r, err)
	}
	if r, err := del.Result(); err != nil || string(r.Context.Bytes()) != "d" {
		t.Errorf("delete: %v, %v", r, err)
	}
	if r, err := touch.Result(); err != nil || !r.Applied || string(r.Context.Bytes()) != "t" {
		t.Errorf("touch: %v, %v", r, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, op := range operationsOf(n) {
		if left := op.GetTimeout().AsDuration(); left <= 0 || left > testTimeout {
			t.Errorf("operation %d has timeout %v", op.GetId(), left)
		}
		if put := op.GetPut(); put != nil && len(put.GetOptions().GetRequestId()) != 16 {
			t.Error("the put has no request id")
		}
	}
}

// TestPipelineGroups holds back the reading of the stream, and sees that what was queued meanwhile comes in few messages.
func TestPipelineGroups(t *testing.T) {
	const count = 3000
	read := make(chan struct{})
	n := startNode(t, func(n *fakeNode) {
		echo := echoing(n, done)
		n.onPipeline = func(stream pipelineStream) error {
			<-read
			return echo(stream)
		}
	})
	p := dialNodes(t, []*fakeNode{n}).Pipeline(WithInFlight(count))
	// Larger than the window of the stream, so that the writer cannot go on while the server does not read.
	stopper := p.Put(t.Context(), "", "stopper", Value{Data: make([]byte, 900<<10)})
	var gets []*Future[GetResult]
	for i := range count - 1 {
		gets = append(gets, p.Get(t.Context(), "", fmt.Sprint(i)))
	}
	close(read)
	if _, err := stopper.Result(); err != nil {
		t.Fatal(err)
	}
	for i, f := range gets {
		if r, err := f.Result(); err != nil || string(r.(*Found).Value.Data) != fmt.Sprint(i) {
			t.Fatalf("get %d: %v, %v", i, r, err)
		}
	}
	messages := requests[*kindredv1.PipelineRequest](n)
	if len(messages) > 10 {
		t.Errorf("%d operations came in %d messages", count, len(messages))
	}
	for _, message := range messages {
		if len(message.GetOperations()) > groupOperationsMax {
			t.Errorf("a message has %d operations", len(message.GetOperations()))
		}
	}
}

func TestPipelineMakesTheCallerWait(t *testing.T) {
	answer := make(chan struct{})
	n := startNode(t, func(n *fakeNode) {
		n.onPipeline = echoing(n, func(op *kindredv1.Operation) *kindredv1.OperationResult {
			<-answer
			return done(op)
		})
	})
	p := dialNodes(t, []*fakeNode{n}).Pipeline(WithInFlight(2))
	first, second := p.Get(t.Context(), "", "1"), p.Get(t.Context(), "", "2")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Put(ctx, "", "3", Value{}).Result()
	if e := asError(t, err); e.Outcome != OutcomeNotApplied || e.Attempts != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %+v", e)
	}
	close(answer)
	third := p.Get(t.Context(), "", "3")
	for _, f := range []*Future[GetResult]{first, second, third} {
		if _, err := f.Result(); err != nil {
			t.Error(err)
		}
	}
	if got := len(operationsOf(n)); got != 3 {
		t.Errorf("the server saw %d operations, want 3", got)
	}
}

func TestPipelineSendsAgainWhatABrokenStreamLeft(t *testing.T) {
	broken := startNode(t, func(n *fakeNode) {
		n.onPipeline = func(stream pipelineStream) error {
			request, err := stream.Recv()
			if err != nil {
				return err
			}
			n.record(request)
			return status.Error(codes.Unavailable, "broken")
		}
	})
	healthy := startNode(t, func(n *fakeNode) { n.onPipeline = echoing(n, done) })
	p := dialNodes(t, []*fakeNode{broken, healthy}).Pipeline()
	var puts []*Future[*WriteResult]
	for i := range 100 {
		puts = append(puts, p.Put(t.Context(), "", fmt.Sprint(i), Value{}))
	}
	for i, f := range puts {
		if r, err := f.Result(); err != nil || string(r.Context.Bytes()) != fmt.Sprint(i) {
			t.Fatalf("put %d: %v, %v", i, r, err)
		}
	}
	ids := make(map[string]bool)
	for _, op := range operationsOf(healthy) {
		ids[string(op.GetPut().GetOptions().GetRequestId())] = true
	}
	if len(ids) != 100 {
		t.Errorf("the healthy node has seen %d of 100 writes", len(ids))
	}
	left := operationsOf(broken)
	if len(left) == 0 {
		t.Fatal("nothing was sent to the node that breaks")
	}
	for _, op := range left {
		if !ids[string(op.GetPut().GetOptions().GetRequestId())] {
			t.Errorf("request id %x did not come back", op.GetPut().GetOptions().GetRequestId())
		}
	}
}

func TestPipelineGivesUpAfterItsAttempts(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onPipeline = func(stream pipelineStream) error {
			if _, err := stream.Recv(); err != nil {
				return err
			}
			return status.Error(codes.Unavailable, "broken")
		}
	})
	p := dialNodes(t, []*fakeNode{n}, WithAttempts(2)).Pipeline()
	_, err := p.Put(t.Context(), "", "k", Value{}).Result()
	if e := asError(t, err); e.Outcome != OutcomeUnknown || e.Attempts != 2 || e.Code != codes.Unavailable {
		t.Errorf("put: %+v", e)
	}
	_, err = p.Get(t.Context(), "", "k").Result()
	if e := asError(t, err); e.Outcome != OutcomeNone || e.Attempts != 2 {
		t.Errorf("get: %+v", e)
	}
}

func TestPipelineRetriesItems(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[string]int)
	n := startNode(t, func(n *fakeNode) {
		n.onPipeline = echoing(n, func(op *kindredv1.Operation) *kindredv1.OperationResult {
			mu.Lock()
			defer mu.Unlock()
			key := string(op.GetPut().GetKey().GetKey())
			seen[key]++
			switch {
			case key == "busy" && seen[key] == 1:
				return itemFailed(codes.ResourceExhausted, notApplied(ReasonNodeOverloaded))
			case key == "refused":
				return itemFailed(codes.FailedPrecondition, notApplied(ReasonKeyExists))
			}
			return done(op)
		})
	})
	p := dialNodes(t, []*fakeNode{n}).Pipeline()
	busy, refused := p.Put(t.Context(), "", "busy", Value{}), p.Put(t.Context(), "", "refused", Value{})
	if _, err := busy.Result(); err != nil {
		t.Error(err)
	}
	_, err := refused.Result()
	if e := asError(t, err); e.Reason != ReasonKeyExists || e.Outcome != OutcomeNotApplied || e.Attempts != 1 {
		t.Errorf("got %+v", e)
	}
}

func TestPipelineTimesOut(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onPipeline = echoing(n, func(*kindredv1.Operation) *kindredv1.OperationResult { return nil })
	})
	p := dialNodes(t, []*fakeNode{n}, WithTimeout(100*time.Millisecond)).Pipeline()
	_, err := p.Put(t.Context(), "", "k", Value{}).Result()
	if e := asError(t, err); e.Code != codes.DeadlineExceeded || e.Outcome != OutcomeUnknown {
		t.Errorf("got %+v", e)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestFutureWaitIsCancelled(t *testing.T) {
	answer := make(chan struct{})
	n := startNode(t, func(n *fakeNode) {
		n.onPipeline = echoing(n, func(op *kindredv1.Operation) *kindredv1.OperationResult {
			<-answer
			return done(op)
		})
	})
	p := dialNodes(t, []*fakeNode{n}).Pipeline()
	f := p.Put(t.Context(), "", "k", Value{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Wait(ctx)
	if e := asError(t, err); e.Code != codes.Canceled || e.Outcome != OutcomeUnknown {
		t.Errorf("got %+v", e)
	}
	close(answer)
	if _, err := f.Wait(t.Context()); err != nil {
		t.Errorf("the operation did not go on: %v", err)
	}
}

func TestPipelineCloseWaits(t *testing.T) {
	answer := make(chan struct{})
	n := startNode(t, func(n *fakeNode) {
		n.onPipeline = echoing(n, func(op *kindredv1.Operation) *kindredv1.OperationResult {
			<-answer
			return done(op)
		})
	})
	p := dialNodes(t, []*fakeNode{n}).Pipeline()
	f := p.Put(t.Context(), "", "k", Value{})
	closed := make(chan error)
	go func() { closed <- p.Close() }()
	waitUntil(t, "closing", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.closed
	})
	_, err := p.Put(t.Context(), "", "late", Value{}).Result()
	if e := asError(t, err); !errors.Is(err, ErrClosed) || e.Outcome != OutcomeNotApplied {
		t.Errorf("after Close: %v", err)
	}
	select {
	case <-closed:
		t.Error("Close did not wait")
	default:
	}
	close(answer)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	select {
	case <-f.Done():
	default:
		t.Error("closed before the answer")
	}
}

func TestClosingTheClientEndsAPipeline(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onPipeline = echoing(n, func(*kindredv1.Operation) *kindredv1.OperationResult { return nil })
	})
	c := dialNodes(t, []*fakeNode{n})
	p := c.Pipeline()
	f := p.Put(t.Context(), "", "k", Value{})
	waitUntil(t, "sent", func() bool { return len(operationsOf(n)) == 1 })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := f.Result()
	if e := asError(t, err); !errors.Is(err, ErrClosed) || e.Outcome != OutcomeUnknown || e.Attempts != 1 {
		t.Errorf("got %+v", e)
	}
}

func TestPipelineRefusesWhatNoMessageHolds(t *testing.T) {
	n := startNode(t, func(n *fakeNode) { n.onPipeline = echoing(n, done) })
	p := dialNodes(t, []*fakeNode{n}).Pipeline()
	large := p.Put(t.Context(), "", "large", Value{Data: make([]byte, operationBytesMax)})
	var puts []*Future[*WriteResult]
	for i := range 10 {
		puts = append(puts, p.Put(t.Context(), "", fmt.Sprint(i), Value{}))
	}
	_, err := large.Result()
	if e := asError(t, err); e.Reason != ReasonTooLarge || e.Outcome != OutcomeNotApplied || e.Attempts != 0 || e.Detail.Field != "value.data" {
		t.Errorf("got %+v", e)
	}
	for i, f := range puts {
		if _, err := f.Result(); err != nil {
			t.Errorf("put %d: %v", i, err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestPipelineSendsAgainWhyeverTheStreamEnded: the server says why, and means one operation or message among many.
func TestPipelineSendsAgainWhyeverTheStreamEnded(t *testing.T) {
	ends := []error{
		status.Error(codes.ResourceExhausted, "a message is too large"),
		failing(codes.InvalidArgument, unknown(ReasonInvalidRequest)),
	}
	var mu sync.Mutex
	n := startNode(t, func(n *fakeNode) {
		echo := echoing(n, done)
		n.onPipeline = func(stream pipelineStream) error {
			mu.Lock()
			var end error
			if len(ends) > 0 {
				end, ends = ends[0], ends[1:]
			}
			mu.Unlock()
			if end == nil {
				return echo(stream)
			}
			if _, err := stream.Recv(); err != nil {
				return err
			}
			return end
		}
	})
	p := dialNodes(t, []*fakeNode{n}).Pipeline()
	put, get := p.Put(t.Context(), "", "p", Value{}), p.Get(t.Context(), "", "g")
	if _, err := put.Result(); err != nil {
		t.Errorf("put: %v", err)
	}
	if _, err := get.Result(); err != nil {
		t.Errorf("get: %v", err)
	}
}
