package kindred

import (
	"context"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// A GetResult is the state of one key: [*Found], [*Conflict] or [*Absent], to be told apart by a type switch. No
// other package can add a fourth.
type GetResult interface {
	// CausalContext covers all that is stored, deletions included. Give it to the next write of the key.
	CausalContext() CausalContext
	// ReadReport says how the answer came about.
	ReadReport() ReadReport

	isGetResult()
}

// Found is a key with one version: the only one, or the one that [PickLatest] chose.
type Found struct {
	Version
	Context CausalContext
	Report  ReadReport
}

// Conflict is a key with several versions that raced. Merge them, and put the result with Context; or use
// [Client.Update].
type Conflict struct {
	// Versions are sorted by dot; at least one has a value.
	Versions []Version
	Context  CausalContext
	Report   ReadReport
}

// Absent is a key that was never written, is deleted or has expired. Its Context lets the put that creates it
// again supersede the deletion, rather than race with it.
type Absent struct {
	Context CausalContext
	Report  ReadReport
}

// CausalContext returns r.Context.
func (r *Found) CausalContext() CausalContext { return r.Context }

// ReadReport returns r.Report.
func (r *Found) ReadReport() ReadReport { return r.Report }

// CausalContext returns r.Context.
func (r *Conflict) CausalContext() CausalContext { return r.Context }

// ReadReport returns r.Report.
func (r *Conflict) ReadReport() ReadReport { return r.Report }

// CausalContext returns r.Context.
func (r *Absent) CausalContext() CausalContext { return r.Context }

// ReadReport returns r.Report.
func (r *Absent) ReadReport() ReadReport { return r.Report }

func (*Found) isGetResult()    {}
func (*Conflict) isGetResult() {}
func (*Absent) isGetResult()   {}

// A ReadReport says how a read came to its answer.
type ReadReport struct {
	// Achieved is the level that was met; BucketConsistency if a number of replicas was requested.
	Achieved Consistency
	// ReplicasAsked were asked, of these ReplicasAnswered had answered, and of these ReplicasAgreed held the state
	// that was answered already.
	ReplicasAsked, ReplicasAnswered, ReplicasAgreed int
	// RepairStarted tells whether replicas that were behind are being brought up to date.
	RepairStarted bool
	// Coordinator is the id of the node that coordinated the read.
	Coordinator string
	// TopologyEpoch is the version of the cluster layout that decided which replicas were asked.
	TopologyEpoch uint64
}

// Get reads a key. An absent key is no error but [*Absent], and siblings are [*Conflict].
func (c *Client) Get(ctx context.Context, bucket, key string, opts ...ReadOption) (GetResult, error) {
	return c.get(ctx, Key{bucket, key}, opts)
}

func (c *Client) get(ctx context.Context, key Key, opts []ReadOption) (GetResult, error) {
	op := operation{name: "get", key: key}
	if err := op.invalid(Value{}); err != nil {
		return nil, err
	}
	response, err := unary(ctx, c, op, c.getRequest(key, opts), kindredv1.KeyValueServiceClient.Get)
	if err != nil {
		return nil, err
	}
	c.observe(response.GetReport().GetTopologyEpoch())
	return getResultFromProto(response), nil
}

func (c *Client) getRequest(key Key, opts []ReadOption) *kindredv1.GetRequest {
	return &kindredv1.GetRequest{Key: key.proto(), Options: c.readOptions(opts)}
}

// readOptions returns a message that is not to be changed: without options it is the client's own.
func (c *Client) readOptions(opts []ReadOption) *kindredv1.ReadOptions {
	if len(opts) == 0 {
		return c.options.read
	}
	o := new(kindredv1.ReadOptions)
	if c.options.read != nil {
		o = proto.CloneOf(c.options.read)
	}
	for _, opt := range opts {
		opt.applyToRead(o)
	}
	return o
}

func getResultFromProto(r *kindredv1.GetResponse) GetResult {
	report, causal := readReportFromProto(r.GetReport()), CausalContext{r.GetContext()}
	switch r.GetState() {
	case kindredv1.GetResponse_STATE_FOUND:
		found := &Found{Context: causal, Report: report}
		for _, version := range r.GetVersions() {
			found.Version = versionFromProto(version)
		}
		return found
	case kindredv1.GetResponse_STATE_CONFLICT:
		versions := make([]Version, len(r.GetVersions()))
		for i, version := range r.GetVersions() {
			versions[i] = versionFromProto(version)
		}
		return &Conflict{Versions: versions, Context: causal, Report: report}
	default:
		return &Absent{Context: causal, Report: report}
	}
}

func readReportFromProto(r *kindredv1.ReadReport) ReadReport {
	return ReadReport{
		Achieved:         Consistency(r.GetAchieved()),
		ReplicasAsked:    int(r.GetReplicasAsked()),
		ReplicasAnswered: int(r.GetReplicasAnswered()),
		ReplicasAgreed:   int(r.GetReplicasAgreed()),
		RepairStarted:    r.GetRepairStarted(),
		Coordinator:      r.GetCoordinator(),
		TopologyEpoch:    r.GetTopologyEpoch(),
	}
}

// unary carries out one operation with one of the stub's unary methods.
func unary[Request, Response any](
	ctx context.Context, c *Client, op operation, request *Request,
	method func(kindredv1.KeyValueServiceClient, context.Context, *Request, ...grpc.CallOption) (*Response, error),
) (*Response, error) {
	var response *Response
	err := c.attempt(ctx, op, func(ctx context.Context, a *attempts) (sent bool, err error) {
		// gRPC fills in the peer as soon as the call has a stream, and nothing is sent before that.
		var to peer.Peer
		response, err = method(a.endpoint.kv, ctx, request, grpc.Peer(&to))
		return to.Addr != nil, err
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}

// invalid returns an error for what protobuf could not encode, which would otherwise come back as an internal one.
func (op operation) invalid(value Value) error {
	field := ""
	if !utf8.ValidString(op.key.Bucket) {
		field = "key.bucket"
	} else {
		field = value.invalidUTF8()
	}
	if field != "" {
		return invalidArgument(op, field, "must be UTF-8")
	}
	return nil
}
