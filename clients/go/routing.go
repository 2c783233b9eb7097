package kindred

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/grpc/connectivity"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// Token returns the place of a key on the ring: xxh64 with seed 0 of the bucket, a zero byte, and the key. Its top
// bits are the key's partition.
func Token(bucket, key string) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.WriteString(Key{Bucket: bucket}.bucketName())
	d.Write([]byte{0})
	d.WriteString(key)
	return d.Sum64()
}

// Homes returns the ids of the nodes that keep a key, best first, as direct routing computes them. It needs
// [WithDirectRouting].
func (c *Client) Homes(ctx context.Context, bucket, key string) ([]string, error) {
	if c.routing == nil {
		return nil, errors.New("kindred: a client without direct routing does not know where keys live")
	}
	placement, err := c.routing.learned(ctx, Key{Bucket: bucket}.bucketName())
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, index := range placement.homes(bucket, key) {
		ids = append(ids, placement.nodes[index].id)
	}
	return ids, nil
}

// refreshInterval bounds how often the placement of a bucket is asked for again.
const refreshInterval = time.Second

const partitionBitsMax = 16

// routing knows where keys live. It learns the placement of a bucket when the bucket is first used, and again when
// an answer was made with another layout.
type routing struct {
	client *Client

	mu        sync.Mutex
	asked     map[string]*question // By bucket.
	endpoints map[string]*endpoint // By address. Those that placements name, beside the client's own.

	known sync.Map // *placement by bucket
	epoch atomic.Uint64
}

// A question is one GetPlacement: under way, or answered.
type question struct {
	at   time.Time
	done chan struct{}
	err  error
}

// A placement is where the keys of one bucket live.
type placement struct {
	epoch       uint64
	bits        uint32
	replication int
	nodes       []placedNode
	table       []uint32
}

type placedNode struct {
	id       string
	endpoint *endpoint
}

func newRouting(c *Client) *routing {
	r := &routing{client: c, asked: make(map[string]*question), endpoints: make(map[string]*endpoint)}
	for _, e := range c.endpoints.all {
		r.endpoints[e.address] = e
	}
	return r
}

// home returns the first home of key that can be reached now, other than last. Nil: none, or it is not known yet.
func (r *routing) home(key Key, last *endpoint) *endpoint {
	bucket := key.bucketName()
	loaded, ok := r.known.Load(bucket)
	if !ok {
		r.ask(bucket)
		return nil
	}
	known := loaded.(*placement)
	if epoch := r.epoch.Load(); epoch != 0 && epoch != known.epoch {
		r.ask(bucket)
	}
	for _, index := range known.homes(bucket, key.Key) {
		if e := known.nodes[index].endpoint; e != last && e.usable() {
			return e
		}
	}
	return nil
}

// homes returns indexes into nodes.
func (p *placement) homes(bucket, key string) []uint32 {
	// A shift by 64 gives 0 in Go: one partition.
	partition := int(Token(bucket, key) >> (64 - p.bits))
	return p.table[partition*p.replication : (partition+1)*p.replication]
}

func (r *routing) observe(epoch uint64) {
	if epoch != 0 {
		r.epoch.Store(epoch)
	}
}

// learned waits for the placement of a bucket.
func (r *routing) learned(ctx context.Context, bucket string) (*placement, error) {
	for {
		if known, ok := r.known.Load(bucket); ok {
			return known.(*placement), nil
		}
		q := r.ask(bucket)
		select {
		case <-q.done:
			if q.err != nil {
				return nil, q.err
			}
		case <-ctx.Done():
			return nil, notBegun(operation{name: "placement"}, codeOf(ctx.Err()), ctx.Err())
		}
	}
}

// ask asks for a placement in the background, unless it is being asked for, or was a moment ago.
func (r *routing) ask(bucket string) *question {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q := r.asked[bucket]; q != nil && time.Since(q.at) < refreshInterval {
		return q
	}
	q := &question{at: time.Now(), done: make(chan struct{})}
	r.asked[bucket] = q
	go func() {
		defer close(q.done)
		q.err = r.fetch(bucket)
	}()
	return q
}

func (r *routing) fetch(bucket string) error {
	var response *kindredv1.GetPlacementResponse
	op := operation{name: "placement"}
	err := r.client.attempt(r.client.ctx, op, func(ctx context.Context, a *attempts) (_ bool, err error) {
		request := &kindredv1.GetPlacementRequest{Bucket: bucket}
		response, err = kindredv1.NewTopologyServiceClient(a.endpoint.conn).GetPlacement(ctx, request)
		return true, err
	})
	if err != nil {
		return err
	}
	known, err := r.placementOf(response)
	if err != nil {
		return err
	}
	known.waitForChannels(r.client.ctx)
	r.known.Store(bucket, known)
	r.observe(known.epoch)
	return nil
}

// waitForChannels gives new channels a moment to connect. Before that their nodes would be passed over.
func (p *placement) waitForChannels(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for _, node := range p.nodes {
		state := node.endpoint.state()
		for state == connectivity.Idle || state == connectivity.Connecting {
			if !node.endpoint.conn.WaitForStateChange(ctx, state) {
				return
			}
			state = node.endpoint.state()
		}
	}
}

func (r *routing) placementOf(response *kindredv1.GetPlacementResponse) (*placement, error) {
	p := &placement{
		epoch:       response.GetTopologyEpoch(),
		bits:        response.GetPartitionBits(),
		replication: int(response.GetReplication()),
		table:       response.GetHomes(),
	}
	if err := checkPlacement(response); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.client.closedError(); err != nil {
		return nil, err // Nobody would close what is dialled now.
	}
	for _, node := range response.GetNodes() {
		e, ok := r.endpoints[node.GetAddress()]
		if !ok {
			var err error
			if e, err = dial(node.GetAddress(), r.client.options.dialOptions()); err != nil {
				return nil, err
			}
			r.endpoints[node.GetAddress()] = e
		}
		p.nodes = append(p.nodes, placedNode{id: node.GetId(), endpoint: e})
	}
	return p, nil
}

// checkPlacement makes sure that every look-up will find its entry.
func checkPlacement(r *kindredv1.GetPlacementResponse) error {
	if r.GetHash() != "xxh64" {
		return fmt.Errorf("kindred: placement by an unknown hash %q", r.GetHash())
	}
	if r.GetPartitionBits() > partitionBitsMax || r.GetReplication() == 0 {
		return fmt.Errorf("kindred: placement of 2^%d partitions on %d homes each", r.GetPartitionBits(), r.GetReplication())
	}
	if want := int(r.GetReplication()) << r.GetPartitionBits(); len(r.GetHomes()) != want {
		return fmt.Errorf("kindred: placement with %d homes instead of %d", len(r.GetHomes()), want)
	}
	for _, index := range r.GetHomes() {
		if int(index) >= len(r.GetNodes()) {
			return fmt.Errorf("kindred: placement names node %d of %d", index, len(r.GetNodes()))
		}
	}
	return nil
}

// close closes the channels that only placements named.
func (r *routing) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := make(map[*endpoint]bool)
	for _, e := range r.client.endpoints.all {
		own[e] = true
	}
	for _, e := range r.endpoints {
		if !own[e] {
			e.conn.Close()
		}
	}
}
