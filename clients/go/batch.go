package kindred

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// A BatchItem is what became of one item of a batch: a Result, or an Err.
type BatchItem[T any] struct {
	// Index is the position of the item in what the batch was asked for.
	Index  int
	Result T
	Err    error
}

// BatchGet reads up to 1,000 keys, and yields one item for each, in the order in which the answers come. Each
// succeeds or fails alone. [WithMinContext] is not allowed.
//
// The call is made when the iteration begins, and given up when it is left.
func (c *Client) BatchGet(ctx context.Context, keys []Key, opts ...ReadOption) iter.Seq[BatchItem[GetResult]] {
	op := operation{name: "batch get"}
	all := make([]*kindredv1.Key, len(keys))
	for i, key := range keys {
		all[i] = key.proto()
	}
	options := c.readOptions(opts)
	b := &batch[GetResult]{
		client: c,
		op:     op,
		size:   len(keys),
		call: func(ctx context.Context, kv kindredv1.KeyValueServiceClient, open []int, to grpc.CallOption) (receiver[GetResult], error) {
			request := &kindredv1.BatchGetRequest{Keys: these(all, open), Options: options}
			stream, err := kv.BatchGet(ctx, request, to)
			return func() (int, *kindredv1.ItemStatus, func() GetResult, error) {
				response, err := stream.Recv()
				result := func() GetResult { return getResultFromProto(response.GetResult()) }
				return int(response.GetIndex()), response.GetStatus(), result, err
			}, err
		},
	}
	for i, key := range keys {
		op.key = key
		if err := op.invalid(Value{}); err != nil {
			b.refused = fmt.Errorf("keys[%d]: %w", i, err)
		}
	}
	return b.items(ctx)
}

// A Mutation is one write of a batch: see [NewPut] and [NewDelete].
type Mutation struct {
	key     Key
	value   Value
	puts    []PutOption
	deletes []DeleteOption
	isPut   bool
}

// NewPut returns a mutation that stores a value. Write options given here replace those of the batch.
func NewPut(bucket, key string, value Value, opts ...PutOption) Mutation {
	return Mutation{key: Key{bucket, key}, value: value, puts: opts, isPut: true}
}

// NewDelete returns a mutation that deletes a key. Write options given here replace those of the batch.
func NewDelete(bucket, key string, opts ...DeleteOption) Mutation {
	return Mutation{key: Key{bucket, key}, deletes: opts}
}

// BatchWrite carries out up to 1,000 writes, of at most 4 MiB together, and yields one item for each, in the order in
// which the answers come. They are independent: it is no transaction, and writes of the same key take effect in no
// particular order. A request id given here covers the whole batch: each item without one of its own gets one that is
// made of it and of the item's index. [Error.RequestID] tells it.
//
// The call is made when the iteration begins. Leaving the iteration gives it up: writes whose item was not seen may
// have been applied or not.
func (c *Client) BatchWrite(ctx context.Context, mutations []Mutation, opts ...WriteOption) iter.Seq[BatchItem[*WriteResult]] {
	op := operation{name: "batch write", write: true}
	options := c.writeOptions()
	for _, opt := range opts {
		opt.applyToWrite(options)
	}
	ensureRequestID(options)
	all := make([]*kindredv1.Mutation, len(mutations))
	b := &batch[*WriteResult]{
		client: c,
		op:     op,
		size:   len(mutations),
		ids:    make([]RequestID, len(mutations)),
		call: func(ctx context.Context, kv kindredv1.KeyValueServiceClient, open []int, to grpc.CallOption) (receiver[*WriteResult], error) {
			stream, err := kv.BatchWrite(ctx, &kindredv1.BatchWriteRequest{Mutations: these(all, open)}, to)
			return func() (int, *kindredv1.ItemStatus, func() *WriteResult, error) {
				response, err := stream.Recv()
				return int(response.GetIndex()), response.GetStatus(), func() *WriteResult { return mutationResult(response) }, err
			}, err
		},
	}
	for i, mutation := range mutations {
		op.key = mutation.key
		if err := op.invalid(mutation.value); err != nil {
			b.refused = fmt.Errorf("mutations[%d]: %w", i, err)
		}
		all[i], b.ids[i] = mutation.proto(options, i)
	}
	return b.items(ctx)
}

// proto encodes the mutation, and returns its request id. Its options are those of the batch with its own laid over them:
// whatever else is sent with it, it stays the same write.
func (m Mutation) proto(batch *kindredv1.WriteOptions, index int) (*kindredv1.Mutation, RequestID) {
	id := RequestID(batch.GetRequestId()).item(index)
	own := proto.CloneOf(batch)
	own.RequestId = id[:]
	if m.isPut {
		put := &kindredv1.PutRequest{Key: m.key.proto(), Value: m.value.proto(), Options: own}
		for _, opt := range m.puts {
			opt.applyToPut(put)
		}
		return &kindredv1.Mutation{Op: &kindredv1.Mutation_Put{Put: put}}, RequestID(own.RequestId)
	}
	del := &kindredv1.DeleteRequest{Key: m.key.proto(), Options: own}
	for _, opt := range m.deletes {
		opt.applyToDelete(del)
	}
	return &kindredv1.Mutation{Op: &kindredv1.Mutation_Delete{Delete: del}}, RequestID(own.RequestId)
}

// these returns the items with the given indexes.
func these[T any](all []T, indexes []int) []T {
	some := make([]T, len(indexes))
	for i, index := range indexes {
		some[i] = all[index]
	}
	return some
}

func mutationResult(response *kindredv1.BatchWriteResponse) *WriteResult {
	if put := response.GetPut(); put != nil {
		return putResultFromProto(put)
	}
	return deleteResultFromProto(response.GetDelete())
}

// A receiver returns the next answer of a stream: its index, its status if it failed, and its result if not.
type receiver[T any] func() (index int, status *kindredv1.ItemStatus, result func() T, err error)

// A batch is one BatchGet or BatchWrite.
type batch[T any] struct {
	client  *Client
	op      operation
	size    int
	refused error
	// ids are the request ids of the items. Nil for reads.
	ids []RequestID
	// call sends the items that are open. The receiver's index is the place among these.
	call func(ctx context.Context, kv kindredv1.KeyValueServiceClient, open []int, to grpc.CallOption) (receiver[T], error)
}

// items makes the call, and yields what comes. When a call breaks, the items that are still open are sent again, and
// only those: one that was refused for good must not be applied after all.
func (b *batch[T]) items(ctx context.Context) iter.Seq[BatchItem[T]] {
	return func(yield func(BatchItem[T]) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		// There is room for all, so that a slow loop costs the call no time.
		items := make(chan BatchItem[T], b.size)
		go func() {
			defer close(items)
			answered := make([]bool, b.size)
			err := b.refused
			if err == nil {
				err = b.client.attempt(ctx, b.op, func(ctx context.Context, a *attempts) (bool, error) {
					return b.once(ctx, a, answered, items)
				})
			}
			for i := range answered {
				if !answered[i] {
					items <- BatchItem[T]{Index: i, Err: b.unanswered(i, err)}
				}
			}
		}()
		for item := range items {
			if !yield(item) {
				return
			}
		}
	}
}

// unanswered returns the error of the call as that of an item: it wraps it.
func (b *batch[T]) unanswered(index int, call error) error {
	e, ok := call.(*Error)
	if !ok || b.ids == nil {
		return call
	}
	item := *e
	item.RequestID, item.cause = b.ids[index], call
	return &item
}

func (b *batch[T]) once(ctx context.Context, a *attempts, answered []bool, items chan<- BatchItem[T]) (sent bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var to peer.Peer
	var open []int
	for i := range answered {
		if !answered[i] {
			open = append(open, i)
		}
	}
	receive, err := b.call(ctx, a.endpoint.kv, open, grpc.Peer(&to))
	if err != nil {
		return to.Addr != nil, err
	}
	missing := len(open)
	for {
		place, failed, result, err := receive()
		if errors.Is(err, io.EOF) && missing > 0 {
			err = status.Error(codes.Unavailable, "the stream ended before all items were answered")
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return true, err
		}
		if place >= len(open) || answered[open[place]] {
			continue
		}
		index := open[place]
		answered[index] = true
		missing--
		if failed.GetCode() == int32(codes.OK) {
			items <- BatchItem[T]{Index: index, Result: result()}
			continue
		}
		// Of a copy: that this item is open says nothing of the others.
		item := *a
		if b.ids != nil {
			item.op.requestID = b.ids[index]
		}
		items <- BatchItem[T]{Index: index, Err: item.failed(failureOfItem(failed), nil)}
	}
}
