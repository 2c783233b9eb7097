package kindred

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// What one message of a pipeline holds at most. The server takes 1,000 operations and 4 MiB; smaller messages keep
// the answers coming.
const (
	groupOperationsMax = 1000
	groupBytesMax      = 1 << 20
	// What one operation may have, which then is alone in its message. One that no message can hold would end the
	// stream, and with it all the others.
	operationBytesMax = 3 << 20
)

// A lane is one Pipeline stream to one endpoint, from its beginning until it breaks. Then what it has is sent again
// through other lanes.
type lane struct {
	pipeline *Pipeline
	endpoint *endpoint
	ctx      context.Context
	cancel   context.CancelFunc
	// wake has an element when something was queued that the writer has not seen.
	wake chan struct{}

	mu     sync.Mutex
	ended  bool
	queue  []*pipelined          // Not sent yet.
	sent   map[uint64]*pipelined // Without an answer, by id.
	lastID uint64
}

func newLane(p *Pipeline, e *endpoint) *lane {
	l := &lane{pipeline: p, endpoint: e, wake: make(chan struct{}, 1), sent: make(map[uint64]*pipelined)}
	l.ctx, l.cancel = context.WithCancel(p.ctx)
	return l
}

func (l *lane) hasEnded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// add queues an operation. False: the lane has ended.
func (l *lane) add(op *pipelined) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.queue = append(l.queue, op)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return true
}

// run opens the stream, and sends what is queued until the stream ends.
func (l *lane) run() {
	defer l.cancel()
	stream, err := l.endpoint.kv.Pipeline(l.ctx)
	if err != nil {
		l.end(err)
		return
	}
	received := make(chan struct{})
	go func() {
		defer close(received)
		l.end(l.receive(stream))
	}()
	for {
		select {
		case <-l.wake:
		case <-received:
			return
		}
		for group := l.take(); len(group) > 0; group = l.take() {
			err := stream.Send(&kindredv1.PipelineRequest{Operations: group})
			if err == nil {
				continue
			}
			if !errors.Is(err, io.EOF) {
				l.cancel()
			}
			// EOF means that the stream has ended. Why, receive is told.
			<-received
			return
		}
	}
}

// take removes the next group from the queue. From now on its operations may have been sent.
func (l *lane) take() []*kindredv1.Operation {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Not before the lock: what was queued since would get more time than it was given.
	now := time.Now()
	count, bytes := 0, 0
	for count < len(l.queue) && count < groupOperationsMax {
		bytes += l.queue[count].bytes
		if count > 0 && bytes > groupBytesMax {
			break
		}
		count++
	}
	group := make([]*kindredv1.Operation, 0, count)
	for _, op := range l.queue[:count] {
		l.lastID++
		l.sent[l.lastID] = op
		group = append(group, &kindredv1.Operation{
			Id: l.lastID,
			Op: op.request.Op,
			// The server wants more than nothing. What has no time left, the next sweep finds.
			Timeout: durationpb.New(max(op.deadline.Sub(now), time.Millisecond)),
		})
	}
	l.queue = l.queue[count:]
	return group
}

func (l *lane) receive(stream grpc.BidiStreamingClient[kindredv1.PipelineRequest, kindredv1.PipelineResponse]) error {
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return status.Error(codes.Unavailable, "the server ended the stream")
		}
		if err != nil {
			return err
		}
		for _, result := range response.GetResults() {
			l.answered(result)
		}
	}
}

func (l *lane) answered(result *kindredv1.OperationResult) {
	l.mu.Lock()
	op := l.sent[result.GetId()]
	delete(l.sent, result.GetId())
	l.mu.Unlock()
	switch {
	case op == nil: // It was given up.
	case result.GetStatus().GetCode() == int32(codes.OK):
		op.resolve(result, nil)
	default:
		l.pipeline.failed(op, failureOfItem(result.GetStatus()))
	}
}

// end closes the lane, and hands on what is left in it.
func (l *lane) end(err error) {
	l.mu.Lock()
	l.ended = true
	queue, sent := l.queue, l.sent
	l.queue, l.sent = nil, nil
	l.mu.Unlock()
	f := failureOf(err, true)
	f.ofStream = true
	for _, op := range sent {
		l.pipeline.failed(op, f)
	}
	f.sent = false
	for _, op := range queue {
		l.pipeline.failed(op, f)
	}
}

// expire gives up the operations whose time is over.
func (l *lane) expire(now time.Time) {
	late := failure{code: codes.DeadlineExceeded, message: "no answer in time"}
	var queued, sent []*pipelined
	l.mu.Lock()
	kept := l.queue[:0]
	for _, op := range l.queue {
		if now.Before(op.deadline) {
			kept = append(kept, op)
		} else {
			queued = append(queued, op)
		}
	}
	l.queue = kept
	for id, op := range l.sent {
		if !now.Before(op.deadline) {
			delete(l.sent, id)
			sent = append(sent, op)
		}
	}
	l.mu.Unlock()
	for _, op := range queued {
		l.pipeline.failed(op, late)
	}
	late.sent = true
	for _, op := range sent {
		l.pipeline.failed(op, late)
	}
}
