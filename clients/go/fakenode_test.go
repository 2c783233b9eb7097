package kindred

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// A fakeNode is a server on this machine that answers as the test says, and remembers what it was asked.
type fakeNode struct {
	kindredv1.UnimplementedKeyValueServiceServer
	kindredv1.UnimplementedTopologyServiceServer

	address       string
	server        *grpc.Server
	serverOptions []grpc.ServerOption

	// Each answers one request of its kind. Nil: an empty answer.
	onGet        func(context.Context, *kindredv1.GetRequest) (*kindredv1.GetResponse, error)
	onPut        func(context.Context, *kindredv1.PutRequest) (*kindredv1.PutResponse, error)
	onDelete     func(context.Context, *kindredv1.DeleteRequest) (*kindredv1.DeleteResponse, error)
	onBatchGet   func(*kindredv1.BatchGetRequest, grpc.ServerStreamingServer[kindredv1.BatchGetResponse]) error
	onBatchWrite func(*kindredv1.BatchWriteRequest, grpc.ServerStreamingServer[kindredv1.BatchWriteResponse]) error
	onPipeline   func(grpc.BidiStreamingServer[kindredv1.PipelineRequest, kindredv1.PipelineResponse]) error
	onPlacement  func(*kindredv1.GetPlacementRequest) (*kindredv1.GetPlacementResponse, error)

	mu  sync.Mutex
	got []proto.Message
}

func startNode(t testing.TB, configure func(*fakeNode)) *fakeNode {
	t.Helper()
	n := new(fakeNode)
	configure(n)
	n.listen(t, "127.0.0.1:0")
	return n
}

func (n *fakeNode) listen(t testing.TB, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	n.address = listener.Addr().String()
	n.server = grpc.NewServer(n.serverOptions...)
	kindredv1.RegisterKeyValueServiceServer(n.server, n)
	kindredv1.RegisterTopologyServiceServer(n.server, n)
	server := n.server
	go server.Serve(listener)
	t.Cleanup(server.Stop)
}

// requests returns what the node was asked, of one kind, in order.
func requests[T proto.Message](n *fakeNode) []T {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []T
	for _, message := range n.got {
		if request, ok := message.(T); ok {
			all = append(all, request)
		}
	}
	return all
}

func (n *fakeNode) record(m proto.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, m)
}

func (n *fakeNode) Get(ctx context.Context, r *kindredv1.GetRequest) (*kindredv1.GetResponse, error) {
	n.record(r)
	if n.onGet == nil {
		return absent("context"), nil
	}
	return n.onGet(ctx, r)
}

func (n *fakeNode) Put(ctx context.Context, r *kindredv1.PutRequest) (*kindredv1.PutResponse, error) {
	n.record(r)
	if n.onPut == nil {
		return &kindredv1.PutResponse{Context: []byte("context"), VersionsHeld: 1}, nil
	}
	return n.onPut(ctx, r)
}

func (n *fakeNode) Delete(ctx context.Context, r *kindredv1.DeleteRequest) (*kindredv1.DeleteResponse, error) {
	n.record(r)
	if n.onDelete == nil {
		return &kindredv1.DeleteResponse{Context: []byte("context"), VersionsHeld: 1}, nil
	}
	return n.onDelete(ctx, r)
}

func (n *fakeNode) BatchGet(r *kindredv1.BatchGetRequest, stream grpc.ServerStreamingServer[kindredv1.BatchGetResponse]) error {
	n.record(r)
	return n.onBatchGet(r, stream)
}

func (n *fakeNode) BatchWrite(r *kindredv1.BatchWriteRequest, stream grpc.ServerStreamingServer[kindredv1.BatchWriteResponse]) error {
	n.record(r)
	return n.onBatchWrite(r, stream)
}

func (n *fakeNode) Pipeline(stream grpc.BidiStreamingServer[kindredv1.PipelineRequest, kindredv1.PipelineResponse]) error {
	return n.onPipeline(stream)
}

func (n *fakeNode) GetPlacement(_ context.Context, r *kindredv1.GetPlacementRequest) (*kindredv1.GetPlacementResponse, error) {
	n.record(r)
	return n.onPlacement(r)
}

// testTimeout is that of clients in tests which do not wait for it: long, for the sake of busy machines.
const testTimeout = time.Minute

// dialNodes returns a client of nodes, once it is connected to all of them.
func dialNodes(t testing.TB, nodes []*fakeNode, opts ...Option) *Client {
	t.Helper()
	var addresses []string
	for _, n := range nodes {
		addresses = append(addresses, n.address)
	}
	c, err := NewClient(addresses, append([]Option{WithTimeout(testTimeout)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, e := range c.endpoints.all {
		waitUntil(t, "connected to "+e.address, e.usable)
	}
	return c
}

func waitUntil(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(testTimeout)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatal("not in time:", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// failing returns a gRPC error with an ErrorDetail, as the server makes them.
func failing(code codes.Code, detail *kindredv1.ErrorDetail) error {
	st, err := status.New(code, "as the test says").WithDetails(detail)
	if err != nil {
		panic(err)
	}
	return st.Err()
}

func notApplied(reason Reason) *kindredv1.ErrorDetail {
	return &kindredv1.ErrorDetail{
		Reason:       kindredv1.ErrorReason(reason),
		WriteOutcome: kindredv1.WriteOutcome_WRITE_OUTCOME_NOT_APPLIED,
		SafeToRetry:  true,
	}
}

func unknown(reason Reason) *kindredv1.ErrorDetail {
	detail := notApplied(reason)
	detail.WriteOutcome = kindredv1.WriteOutcome_WRITE_OUTCOME_UNKNOWN
	return detail
}

func absent(causal string) *kindredv1.GetResponse {
	return &kindredv1.GetResponse{State: kindredv1.GetResponse_STATE_ABSENT, Context: []byte(causal)}
}

func found(causal, data string) *kindredv1.GetResponse {
	return &kindredv1.GetResponse{
		State:    kindredv1.GetResponse_STATE_FOUND,
		Versions: []*kindredv1.Version{versionOf(1, data)},
		Context:  []byte(causal),
	}
}

func conflict(causal string, data ...string) *kindredv1.GetResponse {
	r := &kindredv1.GetResponse{State: kindredv1.GetResponse_STATE_CONFLICT, Context: []byte(causal)}
	for i, d := range data {
		r.Versions = append(r.Versions, versionOf(uint64(i+1), d))
	}
	return r
}

func versionOf(counter uint64, data string) *kindredv1.Version {
	return &kindredv1.Version{
		Body: &kindredv1.Version_Value{Value: &kindredv1.Value{Data: []byte(data)}},
		Dot:  &kindredv1.Dot{Replica: 1, Epoch: 1, Counter: counter},
	}
}

// script returns each of the answers once, and then fails the test.
func script[Request, Response any](t *testing.T, answers ...func() (Response, error)) func(context.Context, Request) (Response, error) {
	var mu sync.Mutex
	next := 0
	return func(context.Context, Request) (Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(answers) {
			var none Response
			t.Error("one request more than expected")
			return none, status.Error(codes.FailedPrecondition, "the script is over")
		}
		next++
		return answers[next-1]()
	}
}

func says[Response any](response Response) func() (Response, error) {
	return func() (Response, error) { return response, nil }
}

func fails[Response any](err error) func() (Response, error) {
	return func() (none Response, _ error) { return none, err }
}
