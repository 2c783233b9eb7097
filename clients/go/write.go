package kindred

import (
	"context"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// A WriteResult is the answer to a put or delete.
type WriteResult struct {
	// Context covers this write and what it superseded. Give it to the next write of the key, or to a read with
	// [WithMinContext] to read this write back at any level.
	Context CausalContext
	// Dot names the version that this write made.
	Dot Dot
	// VersionsHeld is how many versions the coordinating replica held right after this write. More than 1: writes
	// raced, so read and resolve; [Client.Update] does. 0: not known.
	VersionsHeld int
	Report       WriteReport
}

// A TouchResult is the answer to a touch.
type TouchResult struct {
	// Applied is false when the key was absent: nothing was written.
	Applied bool
	// Context covers what is stored now.
	Context CausalContext
	// Report is zero when not applied.
	Report WriteReport
}

// A WriteReport says how far a write had come when the client was answered. It goes on to all replicas afterwards.
type WriteReport struct {
	// Achieved is the level that was met; BucketConsistency if a number of replicas was requested.
	Achieved Consistency
	// Acked replicas had acknowledged, Synced of them after an fsync, and Hinted hints were stored durably.
	Acked, Hinted, Synced int
	// Replayed tells that the request id was known already: this is the answer of the earlier write.
	Replayed bool
	// Coordinator is the id of the node that coordinated the write.
	Coordinator string
	// TopologyEpoch is the version of the cluster layout that decided which replicas were written.
	TopologyEpoch uint64
}

// Put stores a value. With [WithCausalContext] it supersedes exactly what that context has seen, and what raced
// with it stays beside it as a sibling; without, see [WithBlindWrite].
func (c *Client) Put(ctx context.Context, bucket, key string, value Value, opts ...PutOption) (*WriteResult, error) {
	return c.put(ctx, Key{bucket, key}, value, opts)
}

func (c *Client) put(ctx context.Context, key Key, value Value, opts []PutOption) (*WriteResult, error) {
	op := operation{name: "put", write: true, key: key}
	if err := op.invalid(value); err != nil {
		return nil, err
	}
	return c.sendPut(ctx, op, c.putRequest(key, value, opts))
}

func (c *Client) sendPut(ctx context.Context, op operation, request *kindredv1.PutRequest) (*WriteResult, error) {
	op.requestID = RequestID(request.GetOptions().GetRequestId())
	response, err := unary(ctx, c, op, request, kindredv1.KeyValueServiceClient.Put)
	if err != nil {
		return nil, err
	}
	c.observe(response.GetReport().GetTopologyEpoch())
	return putResultFromProto(response), nil
}

// Delete deletes a key. A value that raced the delete survives it. It is no error if the key is absent.
func (c *Client) Delete(ctx context.Context, bucket, key string, opts ...DeleteOption) (*WriteResult, error) {
	return c.delete(ctx, Key{bucket, key}, opts)
}

func (c *Client) delete(ctx context.Context, key Key, opts []DeleteOption) (*WriteResult, error) {
	op := operation{name: "delete", write: true, key: key}
	if err := op.invalid(Value{}); err != nil {
		return nil, err
	}
	return c.sendDelete(ctx, op, c.deleteRequest(key, opts))
}

func (c *Client) sendDelete(ctx context.Context, op operation, request *kindredv1.DeleteRequest) (*WriteResult, error) {
	op.requestID = RequestID(request.GetOptions().GetRequestId())
	response, err := unary(ctx, c, op, request, kindredv1.KeyValueServiceClient.Delete)
	if err != nil {
		return nil, err
	}
	c.observe(response.GetReport().GetTopologyEpoch())
	return deleteResultFromProto(response), nil
}

// Touch changes when a key expires, and nothing else about it: give [WithTTL], [WithExpireTime] or
// [WithoutExpiry]. A key that holds siblings cannot be touched: [ErrConflict].
func (c *Client) Touch(ctx context.Context, bucket, key string, opts ...TouchOption) (*TouchResult, error) {
	op := operation{name: "touch", write: true, key: Key{bucket, key}}
	if err := op.invalid(Value{}); err != nil {
		return nil, err
	}
	request := c.touchRequest(op.key, opts)
	op.requestID = RequestID(request.GetOptions().GetRequestId())
	response, err := unary(ctx, c, op, request, kindredv1.KeyValueServiceClient.Touch)
	if err != nil {
		return nil, err
	}
	c.observe(response.GetReport().GetTopologyEpoch())
	return touchResultFromProto(response), nil
}

func (c *Client) putRequest(key Key, value Value, opts []PutOption) *kindredv1.PutRequest {
	request := &kindredv1.PutRequest{Key: key.proto(), Value: value.proto(), Options: c.writeOptions()}
	for _, opt := range opts {
		opt.applyToPut(request)
	}
	ensureRequestID(request.Options)
	return request
}

func (c *Client) deleteRequest(key Key, opts []DeleteOption) *kindredv1.DeleteRequest {
	request := &kindredv1.DeleteRequest{Key: key.proto(), Options: c.writeOptions()}
	for _, opt := range opts {
		opt.applyToDelete(request)
	}
	ensureRequestID(request.Options)
	return request
}

func (c *Client) touchRequest(key Key, opts []TouchOption) *kindredv1.TouchRequest {
	request := &kindredv1.TouchRequest{Key: key.proto(), Options: c.writeOptions()}
	for _, opt := range opts {
		opt.applyToTouch(request)
	}
	ensureRequestID(request.Options)
	return request
}

// writeOptions returns a new message with the client's defaults.
func (c *Client) writeOptions() *kindredv1.WriteOptions {
	o := new(kindredv1.WriteOptions)
	for _, opt := range c.options.write {
		opt.applyToWrite(o)
	}
	return o
}

// ensureRequestID makes the write one that counts once, however often it is sent.
func ensureRequestID(o *kindredv1.WriteOptions) {
	if o.RequestId == nil {
		id := NewRequestID()
		o.RequestId = id[:]
	}
}

func putResultFromProto(r *kindredv1.PutResponse) *WriteResult {
	return &WriteResult{
		Context:      CausalContext{r.GetContext()},
		Dot:          dotFromProto(r.GetDot()),
		VersionsHeld: int(r.GetVersionsHeld()),
		Report:       writeReportFromProto(r.GetReport()),
	}
}

func deleteResultFromProto(r *kindredv1.DeleteResponse) *WriteResult {
	return &WriteResult{
		Context:      CausalContext{r.GetContext()},
		Dot:          dotFromProto(r.GetDot()),
		VersionsHeld: int(r.GetVersionsHeld()),
		Report:       writeReportFromProto(r.GetReport()),
	}
}

func touchResultFromProto(r *kindredv1.TouchResponse) *TouchResult {
	return &TouchResult{
		Applied: r.GetApplied(),
		Context: CausalContext{r.GetContext()},
		Report:  writeReportFromProto(r.GetReport()),
	}
}

func writeReportFromProto(r *kindredv1.WriteReport) WriteReport {
	return WriteReport{
		Achieved:      Consistency(r.GetAchieved()),
		Acked:         int(r.GetAcked()),
		Hinted:        int(r.GetHinted()),
		Synced:        int(r.GetSynced()),
		Replayed:      r.GetReplayed(),
		Coordinator:   r.GetCoordinator(),
		TopologyEpoch: r.GetTopologyEpoch(),
	}
}
