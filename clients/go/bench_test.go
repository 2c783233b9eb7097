package kindred

import (
	"context"
	"testing"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// What the layer costs beside the bare stub, with a server that does nothing. internal/bench measures with a real one.

func answerAtOnce(context.Context, *kindredv1.GetRequest) (*kindredv1.GetResponse, error) {
	return found("c", "v"), nil
}

func BenchmarkStubGet(b *testing.B) {
	n := startNode(b, func(n *fakeNode) { n.onGet = answerAtOnce })
	kv := dialNodes(b, []*fakeNode{n}).endpoints.all[0].kv
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := kv.Get(b.Context(), &kindredv1.GetRequest{Key: &kindredv1.Key{Key: []byte("k")}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkClientGet(b *testing.B) {
	n := startNode(b, func(n *fakeNode) { n.onGet = answerAtOnce })
	c := dialNodes(b, []*fakeNode{n})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Get(b.Context(), "", "k"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPipelineGet(b *testing.B) {
	n := startNode(b, func(n *fakeNode) { n.onPipeline = echoing(n, done) })
	p := dialNodes(b, []*fakeNode{n}).Pipeline()
	b.ReportAllocs()
	futures := make(chan *Future[GetResult], defaultInFlight)
	go func() {
		defer close(futures)
		for range b.N {
			futures <- p.Get(b.Context(), "", "k")
		}
	}()
	for f := range futures {
		if _, err := f.Result(); err != nil {
			b.Fatal(err)
		}
	}
}
