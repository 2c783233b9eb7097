package kindred

import (
	"context"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// A WriteOutcome is what the cluster knows about one write.
type WriteOutcome struct {
	// Applied: the write has happened. Otherwise none of the replicas that were asked holds it: it was not applied,
	// or is on its way, or was superseded since. After an answer at [All], and with no write of the key since, it was
	// not applied.
	Applied bool
	// Dot names the version that the write made, if Applied.
	Dot Dot
	// Context covers what the replicas that were asked hold.
	Context CausalContext
}

// WriteOutcome tells whether the write of a key that carried a request id has happened: for use after an error that
// matches [ErrOutcomeUnknown].
func (c *Client) WriteOutcome(ctx context.Context, bucket, key string, id RequestID, opts ...ReadOption) (*WriteOutcome, error) {
	op := operation{name: "write outcome", key: Key{bucket, key}}
	if err := op.invalid(Value{}); err != nil {
		return nil, err
	}
	request := &kindredv1.GetWriteOutcomeRequest{Key: op.key.proto(), RequestId: id[:], Options: c.readOptions(opts)}
	response, err := unary(ctx, c, op, request, kindredv1.KeyValueServiceClient.GetWriteOutcome)
	if err != nil {
		return nil, err
	}
	return &WriteOutcome{
		Applied: response.GetOutcome() == kindredv1.GetWriteOutcomeResponse_OUTCOME_APPLIED,
		Dot:     dotFromProto(response.GetDot()),
		Context: CausalContext{response.GetContext()},
	}, nil
}
