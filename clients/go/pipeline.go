package kindred

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

const defaultInFlight = 1024

// sweepInterval is how exactly operations that get no answer time out. Answers have no need of it: the server keeps
// to the timeout by itself.
const sweepInterval = 20 * time.Millisecond

// A Pipeline keeps many operations in flight over one stream for each endpoint, several times faster than one call
// for each. What is queued while the last group is being sent goes out as one message.
//
// Its methods return at once, with a [Future], unless [WithInFlight] operations are outstanding: then they wait for
// one of them to be answered. Operations are not ordered, not even those on one key; wait for the first before the
// second is queued if it matters.
//
// What breaks is sent again by the same rules as for the methods of [Client]; and so is, for whatever reason a stream
// ends, all that it leaves without an answer. An operation may have 3 MiB: [ErrTooLarge]. It is safe for use by many
// goroutines.
type Pipeline struct {
	client *Client
	slots  chan struct{}

	// ctx ends with the client, or when the pipeline has nothing left to do.
	ctx    context.Context
	cancel context.CancelFunc

	mu          sync.Mutex
	closed      bool
	lanes       map[*endpoint]*lane
	outstanding sync.WaitGroup
}

// A PipelineOption configures a [Pipeline].
type PipelineOption func(*Pipeline)

// WithInFlight bounds how many operations are outstanding. Default: 1,024.
func WithInFlight(n int) PipelineOption {
	return func(p *Pipeline) { p.slots = make(chan struct{}, max(1, n)) }
}

// Pipeline starts a pipeline. Close it when it is no longer needed.
func (c *Client) Pipeline(opts ...PipelineOption) *Pipeline {
	p := &Pipeline{client: c, slots: make(chan struct{}, defaultInFlight), lanes: make(map[*endpoint]*lane)}
	p.ctx, p.cancel = context.WithCancel(c.ctx)
	for _, opt := range opts {
		opt(p)
	}
	go p.sweep()
	return p
}

// Close waits until all operations are answered, and ends the streams. Operations queued after it fail with
// [ErrClosed].
func (p *Pipeline) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.outstanding.Wait()
	p.cancel()
	return nil
}

// Get queues a read; see [Client.Get]. ctx bounds the waiting for a place, and its deadline the operation; to give up
// an operation that is queued, see [Future.Wait].
func (p *Pipeline) Get(ctx context.Context, bucket, key string, opts ...ReadOption) *Future[GetResult] {
	op := operation{name: "get", key: Key{bucket, key}}
	request := &kindredv1.Operation{Op: &kindredv1.Operation_Get{Get: p.client.getRequest(op.key, opts)}}
	return enqueue(ctx, p, op, Value{}, request, func(r *kindredv1.OperationResult) GetResult {
		p.client.observe(r.GetGet().GetReport().GetTopologyEpoch())
		return getResultFromProto(r.GetGet())
	})
}

// Put queues a put; see [Client.Put] and [Pipeline.Get]. The value must not be changed before it is answered.
func (p *Pipeline) Put(ctx context.Context, bucket, key string, value Value, opts ...PutOption) *Future[*WriteResult] {
	op := operation{name: "put", write: true, key: Key{bucket, key}}
	put := p.client.putRequest(op.key, value, opts)
	op.requestID = RequestID(put.GetOptions().GetRequestId())
	request := &kindredv1.Operation{Op: &kindredv1.Operation_Put{Put: put}}
	return enqueue(ctx, p, op, value, request, func(r *kindredv1.OperationResult) *WriteResult {
		p.client.observe(r.GetPut().GetReport().GetTopologyEpoch())
		return putResultFromProto(r.GetPut())
	})
}

// Delete queues a delete; see [Client.Delete] and [Pipeline.Get].
func (p *Pipeline) Delete(ctx context.Context, bucket, key string, opts ...DeleteOption) *Future[*WriteResult] {
	op := operation{name: "delete", write: true, key: Key{bucket, key}}
	del := p.client.deleteRequest(op.key, opts)
	op.requestID = RequestID(del.GetOptions().GetRequestId())
	request := &kindredv1.Operation{Op: &kindredv1.Operation_Delete{Delete: del}}
	return enqueue(ctx, p, op, Value{}, request, func(r *kindredv1.OperationResult) *WriteResult {
		p.client.observe(r.GetDelete().GetReport().GetTopologyEpoch())
		return deleteResultFromProto(r.GetDelete())
	})
}

// Touch queues a touch; see [Client.Touch] and [Pipeline.Get].
func (p *Pipeline) Touch(ctx context.Context, bucket, key string, opts ...TouchOption) *Future[*TouchResult] {
	op := operation{name: "touch", write: true, key: Key{bucket, key}}
	touch := p.client.touchRequest(op.key, opts)
	op.requestID = RequestID(touch.GetOptions().GetRequestId())
	request := &kindredv1.Operation{Op: &kindredv1.Operation_Touch{Touch: touch}}
	return enqueue(ctx, p, op, Value{}, request, func(r *kindredv1.OperationResult) *TouchResult {
		p.client.observe(r.GetTouch().GetReport().GetTopologyEpoch())
		return touchResultFromProto(r.GetTouch())
	})
}

// A pipelined is one operation that has no answer yet. It belongs to one lane at a time, or to the timer of its next
// attempt.
type pipelined struct {
	attempts
	request  *kindredv1.Operation
	bytes    int
	deadline time.Time
	resolve  func(*kindredv1.OperationResult, error)
}

func enqueue[T any](
	ctx context.Context, p *Pipeline, op operation, value Value, request *kindredv1.Operation,
	convert func(*kindredv1.OperationResult) T,
) *Future[T] {
	f := &Future[T]{op: op, done: make(chan struct{})}
	deadline := time.Now().Add(p.client.options.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	var none T
	if err := op.invalid(value); err != nil {
		f.resolve(none, err)
		return f
	}
	bytes := proto.Size(request)
	if bytes > operationBytesMax {
		field := "value.data"
		if len(value.Data) == 0 {
			field = "key.key"
		}
		f.resolve(none, tooLarge(op, field, bytes, operationBytesMax))
		return f
	}
	if err := p.enter(ctx, op); err != nil {
		f.resolve(none, err)
		return f
	}
	p.send(&pipelined{
		attempts: attempts{op: op, limit: p.client.options.attempts},
		request:  request,
		bytes:    bytes,
		deadline: deadline,
		resolve: func(r *kindredv1.OperationResult, err error) {
			if err != nil {
				f.resolve(none, err)
			} else {
				f.resolve(convert(r), nil)
			}
			p.leave()
		},
	})
	return f
}

// enter waits for a place among the operations in flight.
func (p *Pipeline) enter(ctx context.Context, op operation) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return notBegun(op, codeOf(ctx.Err()), ctx.Err())
	case <-p.ctx.Done():
		return notBegun(op, codes.Canceled, ErrClosed)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.ctx.Err() != nil {
		<-p.slots
		return notBegun(op, codes.Canceled, ErrClosed)
	}
	p.outstanding.Add(1)
	return nil
}

func (p *Pipeline) leave() {
	<-p.slots
	p.outstanding.Done()
}

// send puts an operation into the lane of its next endpoint.
func (p *Pipeline) send(op *pipelined) {
	op.endpoint = p.client.route(op.op.key, op.endpoint)
	op.made++
	for !p.lane(op.endpoint).add(op) {
		// That lane has just ended: the next one is new.
	}
}

// lane returns the lane of an endpoint, and starts one if there is none.
func (p *Pipeline) lane(e *endpoint) *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[e]
	if l == nil || l.hasEnded() {
		l = newLane(p, e)
		p.lanes[e] = l
		go l.run()
	}
	return l
}

// failed sends an operation again, or gives it up.
func (p *Pipeline) failed(op *pipelined, f failure) {
	var ended error
	if p.ctx.Err() != nil {
		ended = ErrClosed
	}
	failed := op.failed(f, ended)
	delay, again := op.next(f, ended != nil, time.Until(op.deadline))
	if !again {
		op.resolve(nil, failed)
		return
	}
	time.AfterFunc(delay, func() { p.send(op) })
}

// sweep gives up operations whose time is over: those that a stream that hangs keeps.
func (p *Pipeline) sweep() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-p.ctx.Done():
			return
		}
		p.mu.Lock()
		lanes := make([]*lane, 0, len(p.lanes))
		for _, l := range p.lanes {
			lanes = append(lanes, l)
		}
		p.mu.Unlock()
		for _, l := range lanes {
			l.expire(time.Now())
		}
	}
}
