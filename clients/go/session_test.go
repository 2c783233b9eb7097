package kindred

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

func TestSessionCarriesContexts(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onPut = script[*kindredv1.PutRequest](t, held("c1", 1), held("c3", 1))
		n.onGet = script[*kindredv1.GetRequest](t, says(found("c2", "a")), says(absent("c5")))
	})
	c := dialNodes(t, []*fakeNode{n})
	s := c.Session()
	steps := []func() error{
		func() error { _, err := s.Put(t.Context(), "", "k", Value{}, WithBlindWrite(AddSibling)); return err },
		func() error { _, err := s.Get(t.Context(), "default", "k", WithConsistency(One)); return err },
		func() error { _, err := s.Put(t.Context(), "", "k", Value{}, WithBlindWrite(AddSibling)); return err },
		func() error { _, err := s.Delete(t.Context(), "", "k"); return err },
		func() error { _, err := s.Get(t.Context(), "", "k"); return err },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	puts := requests[*kindredv1.PutRequest](n)
	if puts[0].GetBlind() != kindredv1.BlindWrite_BLIND_WRITE_ADD_SIBLING || contextOf(puts[0]) != "" {
		t.Errorf("the first write of a key: %v", puts[0])
	}
	if contextOf(puts[1]) != "c2" {
		t.Errorf("the write after the read has context %q", contextOf(puts[1]))
	}
	if got := string(requests[*kindredv1.DeleteRequest](n)[0].GetContext()); got != "c3" {
		t.Errorf("the delete has context %q", got)
	}
	gets := requests[*kindredv1.GetRequest](n)
	if got := string(gets[0].GetOptions().GetMinContext()); got != "c1" {
		t.Errorf("the read after the write has min_context %q", got)
	}
	if got := string(gets[1].GetOptions().GetMinContext()); got != "context" {
		t.Errorf("the read after the delete has min_context %q", got)
	}
}

func TestSessionUpdates(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onPut = script[*kindredv1.PutRequest](t, held("c1", 1), held("c3", 1), held("c4", 1))
		n.onGet = script[*kindredv1.GetRequest](t, says(found("c2", "a")))
	})
	s := dialNodes(t, []*fakeNode{n}).Session()
	if _, err := s.Put(t.Context(), "", "k", Value{}); err != nil {
		t.Fatal(err)
	}
	calls := 0
	if _, err := s.Update(t.Context(), "", "k", appending("b", &calls)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "", "k", Value{}); err != nil {
		t.Fatal(err)
	}
	if got := string(requests[*kindredv1.GetRequest](n)[0].GetOptions().GetMinContext()); got != "c1" {
		t.Errorf("the update reads with min_context %q", got)
	}
	if got := contextOf(requests[*kindredv1.PutRequest](n)[2]); got != "c3" {
		t.Errorf("the write after the update has context %q", got)
	}
}

func TestSessionRemembersAnUpdateThatEndsInAConflict(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(absent("c1")), says(conflict("c3", "a", "b")), says(found("c4", "ab")))
		n.onPut = script[*kindredv1.PutRequest](t, held("c2", 2))
	})
	s := dialNodes(t, []*fakeNode{n}, WithUpdateAttempts(1)).Session()
	calls := 0
	_, err := s.Update(t.Context(), "", "k", appending("b", &calls), ResolvedBy(joining))
	var conflict *ConflictError
	if !errors.As(err, &conflict) || !conflict.Applied {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Get(t.Context(), "", "k"); err != nil {
		t.Fatal(err)
	}
	if got := string(requests[*kindredv1.GetRequest](n)[2].GetOptions().GetMinContext()); got != "c3" {
		t.Errorf("the read after the update has min_context %q", got)
	}
}

func TestSessionKeepsWhatItKnowsAfterAFailure(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onPut = script[*kindredv1.PutRequest](t,
			held("c1", 1),
			fails[*kindredv1.PutResponse](failing(codes.FailedPrecondition, notApplied(ReasonTooManySiblings))),
			held("c2", 1))
	})
	s := dialNodes(t, []*fakeNode{n}).Session()
	for i := range 3 {
		if _, err := s.Put(t.Context(), "", "k", Value{}); (err != nil) != (i == 1) {
			t.Fatalf("put %d: %v", i, err)
		}
	}
	if got := contextOf(requests[*kindredv1.PutRequest](n)[2]); got != "c1" {
		t.Errorf("after the failure the context is %q", got)
	}
}

func TestSessionRefusesContexts(t *testing.T) {
	n := startNode(t, func(*fakeNode) {})
	s := dialNodes(t, []*fakeNode{n}).Session()
	causal := WithCausalContext(NewCausalContext([]byte("c")))
	if _, err := s.Put(t.Context(), "", "k", Value{}, causal); !errors.Is(err, ErrInvalidRequest) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.Delete(t.Context(), "", "k", causal); !errors.Is(err, ErrInvalidRequest) {
		t.Errorf("delete: %v", err)
	}
}

func TestSessionForgetsTheKeyUsedLongestAgo(t *testing.T) {
	n := startNode(t, func(*fakeNode) {})
	s := dialNodes(t, []*fakeNode{n}).Session(WithSessionKeys(2))
	for _, key := range []string{"a", "b", "a", "c", "a", "b"} {
		if _, err := s.Put(t.Context(), "", key, Value{}); err != nil {
			t.Fatal(err)
		}
	}
	want := []bool{false, false, true, false, true, false} // c drove out b.
	for i, put := range requests[*kindredv1.PutRequest](n) {
		if got := contextOf(put) != ""; got != want[i] {
			t.Errorf("put %d of %s: known is %v, want %v", i, put.GetKey().GetKey(), got, want[i])
		}
	}
	if len(s.keys) != 2 || s.used.Len() != 2 {
		t.Errorf("%d keys are remembered, want 2", len(s.keys))
	}
}

func TestSessionOperationsOnOneKeyTakeTurns(t *testing.T) {
	var mu sync.Mutex
	answered := 0
	n := startNode(t, func(n *fakeNode) {
		n.onPut = func(_ context.Context, r *kindredv1.PutRequest) (*kindredv1.PutResponse, error) {
			mu.Lock()
			defer mu.Unlock()
			seen := contextOf(r)
			if want := strconv.Itoa(answered); seen != want && answered > 0 {
				t.Errorf("got context %q, want %q", seen, want)
			}
			answered++
			return &kindredv1.PutResponse{Context: []byte(strconv.Itoa(answered)), VersionsHeld: 1}, nil
		}
	})
	s := dialNodes(t, []*fakeNode{n}).Session()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := s.Put(t.Context(), "", "k", Value{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestSessionWaitingIsCancelled(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	n := startNode(t, func(n *fakeNode) {
		n.onPut = func(context.Context, *kindredv1.PutRequest) (*kindredv1.PutResponse, error) {
			close(arrived)
			<-release
			return &kindredv1.PutResponse{Context: []byte("c")}, nil
		}
	})
	s := dialNodes(t, []*fakeNode{n}).Session()
	first := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), "", "k", Value{})
		first <- err
	}()
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, "", "k", Value{})
	if e := asError(t, err); e.Outcome != OutcomeNotApplied || e.Attempts != 0 {
		t.Errorf("got %+v", e)
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
