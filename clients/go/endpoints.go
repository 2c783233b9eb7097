package kindred

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// An endpoint is one node, and the channel to it. gRPC reconnects it by itself.
type endpoint struct {
	address string
	conn    *grpc.ClientConn
	kv      kindredv1.KeyValueServiceClient
}

func dial(address string, opts []grpc.DialOption) (*endpoint, error) {
	conn, err := grpc.NewClient(address, opts...)
	if err != nil {
		return nil, fmt.Errorf("kindred: endpoint %q: %w", address, err)
	}
	conn.Connect()
	return &endpoint{address: address, conn: conn, kv: kindredv1.NewKeyValueServiceClient(conn)}, nil
}

// usable tells whether a call would be sent at once. A channel that sleeps is woken for later ones.
func (e *endpoint) usable() bool {
	return e.state() == connectivity.Ready
}

func (e *endpoint) state() connectivity.State {
	state := e.conn.GetState()
	if state == connectivity.Idle {
		// The server closes connections that are idle or old. Without this a channel that others stand in for
		// would sleep for ever.
		e.conn.Connect()
	}
	return state
}

// endpoints are those that the client was given.
type endpoints struct {
	all  []*endpoint
	turn atomic.Uint32
}

func dialAll(addresses []string, opts []grpc.DialOption) (*endpoints, error) {
	es := new(endpoints)
	for _, address := range addresses {
		e, err := dial(address, opts)
		if err != nil {
			return nil, errors.Join(err, es.close())
		}
		es.all = append(es.all, e)
	}
	return es, nil
}

// next returns the first endpoint in the best state, from the one on whose turn it is; or, where an attempt failed at
// last, from the one after that. One that is down is chosen only if all are: a call fails at once there. last is chosen
// again only if the others are down.
func (es *endpoints) next(last *endpoint) *endpoint {
	var start int
	if last == nil {
		start = int(es.turn.Add(1))
	} else {
		start = slices.Index(es.all, last) + 1
	}
	var best *endpoint
	bestRank := worstRank + againRank + 1
	for i := range es.all {
		e := es.all[(start+i)%len(es.all)]
		rank := rankOf(e.state())
		if e == last {
			rank += againRank
		}
		if rank == 0 {
			return e
		}
		if rank < bestRank {
			best, bestRank = e, rank
		}
	}
	return best
}

const (
	// againRank puts the endpoint of the last attempt behind those that connect, and before those that are down.
	againRank = 2
	worstRank = 4
)

func rankOf(state connectivity.State) int {
	switch state {
	case connectivity.Ready:
		return 0
	case connectivity.Idle, connectivity.Connecting:
		return 1
	default:
		return worstRank
	}
}

func (es *endpoints) close() error {
	var errs []error
	for _, e := range es.all {
		errs = append(errs, e.conn.Close())
	}
	return errors.Join(errs...)
}
