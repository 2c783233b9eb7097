package kindred

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// appending returns a change that appends text to what is there, and counts its calls.
func appending(text string, calls *int) func(*Value) (Change, error) {
	return func(current *Value) (Change, error) {
		*calls++
		if current == nil {
			return Store(Value{Data: []byte(text)}), nil
		}
		return Store(Value{Data: append(current.Data[:len(current.Data):len(current.Data)], text...)}), nil
	}
}

// joining is a resolver for these tests: all values, in the order of their dots.
func joining(siblings []Version) (*Value, error) {
	var joined Value
	for _, v := range siblings {
		joined.Data = append(joined.Data, v.Value.Data...)
	}
	return &joined, nil
}

func held(causal string, versions uint32) func() (*kindredv1.PutResponse, error) {
	return says(&kindredv1.PutResponse{Context: []byte(causal), VersionsHeld: versions})
}

func contextOf(r *kindredv1.PutRequest) string { return string(r.GetContext()) }

func TestUpdateWritesWithTheContextOfItsRead(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(found("c1", "a")))
		n.onPut = script[*kindredv1.PutRequest](t, held("c2", 1))
	})
	c := dialNodes(t, []*fakeNode{n})
	calls := 0
	result, err := c.Update(t.Context(), "", "k", appending("b", &calls))
	if err != nil {
		t.Fatal(err)
	}
	if calls != 1 || string(result.Value.Data) != "ab" || string(result.Context.Bytes()) != "c2" || result.VersionsHeld != 1 {
		t.Errorf("got %+v after %d calls", result, calls)
	}
	if level := requests[*kindredv1.GetRequest](n)[0].GetOptions().GetConsistency(); Consistency(level) != Quorum {
		t.Errorf("read at %v", level)
	}
	put := requests[*kindredv1.PutRequest](n)[0]
	if contextOf(put) != "c1" || string(put.GetValue().GetData()) != "ab" {
		t.Errorf("put %v", put)
	}
}

func TestUpdateResolvesWhatItReads(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(conflict("c1", "a", "b")))
		n.onPut = script[*kindredv1.PutRequest](t, held("c2", 1))
	})
	c := dialNodes(t, []*fakeNode{n}, WithResolver("", joining))
	calls := 0
	result, err := c.Update(t.Context(), "default", "k", appending("c", &calls))
	if err != nil {
		t.Fatal(err)
	}
	if string(result.Value.Data) != "abc" {
		t.Errorf("got %q", result.Value.Data)
	}
}

func TestUpdateResolvesWhatRacedWithItsWrite(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(absent("c1")), says(conflict("c3", "x", "y")))
		n.onPut = script[*kindredv1.PutRequest](t, held("c2", 2), held("c4", 1))
	})
	c := dialNodes(t, []*fakeNode{n})
	calls := 0
	result, err := c.Update(t.Context(), "", "k", appending("x", &calls), ResolvedBy(joining))
	if err != nil {
		t.Fatal(err)
	}
	if calls != 1 || string(result.Value.Data) != "xy" || string(result.Context.Bytes()) != "c4" {
		t.Errorf("got %+v after %d calls", result, calls)
	}
	if again := requests[*kindredv1.GetRequest](n)[1]; string(again.GetOptions().GetMinContext()) != "c2" {
		t.Errorf("read again with %v", again.GetOptions())
	}
	if resolved := requests[*kindredv1.PutRequest](n)[1]; contextOf(resolved) != "c3" {
		t.Errorf("resolved with context %q", contextOf(resolved))
	}
}

func TestUpdateLeavesARaceAloneWithoutAResolver(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onPut = script[*kindredv1.PutRequest](t, held("c2", 2))
	})
	c := dialNodes(t, []*fakeNode{n})
	calls := 0
	result, err := c.Update(t.Context(), "", "k", appending("x", &calls))
	if err != nil || result.VersionsHeld != 2 {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestUpdateWithoutAResolverReportsSiblings(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(conflict("c1", "a", "b")))
		n.onPut = script[*kindredv1.PutRequest, *kindredv1.PutResponse](t)
	})
	c := dialNodes(t, []*fakeNode{n})
	calls := 0
	_, err := c.Update(t.Context(), "b", "k", appending("x", &calls))
	var conflict *ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, ErrConflict) {
		t.Fatalf("got %v", err)
	}
	if calls != 0 || conflict.Applied || len(conflict.Versions) != 2 || string(conflict.Context.Bytes()) != "c1" || conflict.Key != (Key{"b", "k"}) {
		t.Errorf("got %+v after %d calls", conflict, calls)
	}
}

func TestUpdateStartsAgainAfterALostRace(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(found("c1", "a")), says(found("c2", "b")))
		n.onPut = script[*kindredv1.PutRequest](t,
			fails[*kindredv1.PutResponse](failing(codes.FailedPrecondition, notApplied(ReasonTooManySiblings))),
			held("c3", 1))
	})
	c := dialNodes(t, []*fakeNode{n})
	calls := 0
	result, err := c.Update(t.Context(), "", "k", appending("x", &calls))
	if err != nil {
		t.Fatal(err)
	}
	if calls != 2 || string(result.Value.Data) != "bx" {
		t.Errorf("got %q after %d calls", result.Value.Data, calls)
	}
}

func TestUpdateIsNotRepeatedIfItMayHaveBeenApplied(t *testing.T) {
	n := startNode(t, alwaysPut(failing(codes.FailedPrecondition, unknown(ReasonTooManySiblings))))
	c := dialNodes(t, []*fakeNode{n})
	calls := 0
	_, err := c.Update(t.Context(), "", "k", appending("x", &calls))
	if calls != 1 || !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestUpdateIsBounded(t *testing.T) {
	n := startNode(t, alwaysPut(failing(codes.FailedPrecondition, notApplied(ReasonTooManySiblings))))
	c := dialNodes(t, []*fakeNode{n}, WithUpdateAttempts(3))
	calls := 0
	_, err := c.Update(t.Context(), "", "k", appending("x", &calls))
	var conflict *ConflictError
	if calls != 3 || !errors.As(err, &conflict) || conflict.Applied || !errors.Is(err, ErrTooManySiblings) {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestUpdateThatRacesOnIsBounded(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t,
			says(absent("c0")), says(conflict("c2", "a", "b")), says(conflict("c4", "a", "b")), says(conflict("c6", "d", "e", "f")))
		n.onPut = script[*kindredv1.PutRequest](t, held("c1", 2), held("c3", 2), held("c5", 2))
	})
	c := dialNodes(t, []*fakeNode{n}, WithUpdateAttempts(3))
	calls := 0
	_, err := c.Update(t.Context(), "", "k", appending("x", &calls), ResolvedBy(joining))
	var conflict *ConflictError
	if calls != 1 || !errors.As(err, &conflict) || !conflict.Applied || len(conflict.Versions) != 3 || string(conflict.Context.Bytes()) != "c6" {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestUpdateRemovesAndKeeps(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(found("c1", "a")), says(found("c1", "a")))
		n.onPut = script[*kindredv1.PutRequest, *kindredv1.PutResponse](t)
	})
	c := dialNodes(t, []*fakeNode{n})
	result, err := c.Update(t.Context(), "", "k", func(*Value) (Change, error) { return Keep(), nil })
	if err != nil || string(result.Value.Data) != "a" || string(result.Context.Bytes()) != "c1" {
		t.Errorf("keep: got %+v, %v", result, err)
	}
	result, err = c.Update(t.Context(), "", "k", func(*Value) (Change, error) { return Remove(), nil })
	if err != nil || result.Value != nil {
		t.Errorf("remove: got %+v, %v", result, err)
	}
	deletes := requests[*kindredv1.DeleteRequest](n)
	if len(deletes) != 1 || string(deletes[0].GetContext()) != "c1" {
		t.Errorf("got deletes %v", deletes)
	}
}

func TestUpdateReturnsTheErrorOfChange(t *testing.T) {
	n := startNode(t, func(n *fakeNode) { n.onPut = script[*kindredv1.PutRequest, *kindredv1.PutResponse](t) })
	c := dialNodes(t, []*fakeNode{n})
	refused := fmt.Errorf("no")
	_, err := c.Update(t.Context(), "", "k", func(*Value) (Change, error) { return Keep(), refused })
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

func TestUpdateThatCannotReadWhatRacedHasTheContextOfItsWrite(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(found("c1", "a")),
			fails[*kindredv1.GetResponse](failing(codes.FailedPrecondition, &kindredv1.ErrorDetail{})))
		n.onPut = script[*kindredv1.PutRequest](t, held("c2", 2))
	})
	c := dialNodes(t, []*fakeNode{n})
	calls := 0
	_, err := c.Update(t.Context(), "", "k", appending("x", &calls), ResolvedBy(joining))
	var conflict *ConflictError
	if !errors.As(err, &conflict) || !conflict.Applied || conflict.Versions != nil || string(conflict.Context.Bytes()) != "c2" {
		t.Errorf("got %v", err)
	}
}

func TestUpdateReadsAllVersionsWhateverTheDefaults(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(absent("c1")), says(conflict("c3", "x", "y")))
		n.onPut = script[*kindredv1.PutRequest](t, held("c2", 2), held("c4", 1))
	})
	c := dialNodes(t, []*fakeNode{n}, WithReadOptions(WithConflictMode(PickLatest), WithoutData()))
	calls := 0
	if _, err := c.Update(t.Context(), "", "k", appending("x", &calls), ResolvedBy(joining)); err != nil {
		t.Fatal(err)
	}
	for i, get := range requests[*kindredv1.GetRequest](n) {
		if o := get.GetOptions(); ConflictMode(o.GetOnConflict()) != ReturnAll || o.GetOmitData() {
			t.Errorf("read %d has options %v", i, o)
		}
	}
}

func TestUpdateRefusesToReadLess(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest, *kindredv1.GetResponse](t)
	})
	c := dialNodes(t, []*fakeNode{n})
	calls := 0
	for _, opt := range []ReadOption{WithConflictMode(PickLatest), WithConflictMode(FailOnConflict), WithoutData()} {
		_, err := c.Update(t.Context(), "", "k", appending("x", &calls), ReadingWith(opt))
		if e := asError(t, err); e.Reason != ReasonInvalidRequest || e.Outcome != OutcomeNotApplied || calls != 0 {
			t.Errorf("got %+v after %d calls", e, calls)
		}
	}
}

func TestUpdateKeepsTheExpiryOfWhatRaced(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onGet = script[*kindredv1.GetRequest](t, says(absent("c1")), says(conflict("c3", "x", "y")))
		n.onPut = script[*kindredv1.PutRequest](t, held("c2", 2), held("c4", 1))
	})
	c := dialNodes(t, []*fakeNode{n})
	calls := 0
	_, err := c.Update(t.Context(), "", "k", appending("x", &calls), ResolvedBy(joining), Expiring(WithTTL(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	puts := requests[*kindredv1.PutRequest](n)
	if puts[0].GetTtl().AsDuration() != time.Hour || !puts[1].GetKeepExpiry() {
		t.Errorf("got puts %v", puts)
	}
}
