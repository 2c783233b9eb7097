package kindred

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

const (
	defaultTimeout        = 5 * time.Second
	defaultAttempts       = 4
	defaultUpdateAttempts = 10

	// How long connecting to one endpoint may take.
	connectTimeout = 2 * time.Second

	userAgent = "kindred-go/0.1.0"

	// A record may hold 8 MiB, a batch of them more; gRPC's own default is 4 MiB.
	maxReceiveBytes = 16 << 20
)

// A Client reads and writes keys of one cluster, through any of its nodes. It is safe for use by many goroutines,
// and meant to be made once and kept.
type Client struct {
	options   options
	endpoints *endpoints
	routing   *routing // Nil unless asked for.

	// ctx ends when the client is closed.
	ctx   context.Context
	close context.CancelFunc
}

// NewClient returns a client of the cluster whose nodes are reached at endpoints, each a "host:port". One is
// enough; with several the load is spread, and those that are down are passed over.
//
// It connects in the background, and does not fail because nodes are down. Close the client when it is no longer
// needed.
func NewClient(endpoints []string, opts ...Option) (*Client, error) {
	o := options{timeout: defaultTimeout, attempts: defaultAttempts, updateAttempts: defaultUpdateAttempts}
	for _, opt := range opts {
		opt(&o)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	if len(endpoints) == 0 {
		return nil, errors.New("kindred: no endpoints")
	}
	dialled, err := dialAll(endpoints, o.dialOptions())
	if err != nil {
		return nil, err
	}
	c := &Client{options: o, endpoints: dialled}
	c.ctx, c.close = context.WithCancel(context.Background())
	if o.directRouting {
		c.routing = newRouting(c)
		c.routing.ask(Key{}.bucketName())
	}
	return c, nil
}

// Close closes all connections. Operations that are under way fail; close a [Pipeline] first to wait for what is
// in it.
func (c *Client) Close() error {
	if c.closedError() != nil {
		return nil
	}
	c.close()
	if c.routing != nil {
		c.routing.close()
	}
	return c.endpoints.close()
}

// closedError returns ErrClosed once the client is closed.
func (c *Client) closedError() error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}

// Conn returns the connection to the next endpoint in turn, for the services that this package does not wrap:
//
//	topology := kindredv1.NewTopologyServiceClient(client.Conn())
//
// What is called through it has no timeout and is not retried.
func (c *Client) Conn() grpc.ClientConnInterface {
	return c.endpoints.next(nil).conn
}

// route picks where the next attempt goes: to a replica of the key if direct routing knows one, else to the next
// endpoint in turn, and not to the last one again if that can be helped.
func (c *Client) route(key Key, last *endpoint) *endpoint {
	if c.routing != nil && key.Key != "" {
		if home := c.routing.home(key, last); home != nil {
			return home
		}
	}
	return c.endpoints.next(last)
}

// observe takes note of the layout that an answer was made with.
func (c *Client) observe(topologyEpoch uint64) {
	if c.routing != nil {
		c.routing.observe(topologyEpoch)
	}
}

// An Option configures a [Client].
type Option func(*options)

type options struct {
	timeout        time.Duration
	attempts       int
	updateAttempts int
	tls            *tls.Config
	token          string
	read           *kindredv1.ReadOptions
	write          []WriteOption
	resolvers      map[string]Resolver
	directRouting  bool
	dial           []grpc.DialOption
}

// WithTimeout bounds each operation as a whole, with all its attempts; an earlier deadline of the context given to
// it counts too. Default: 5 s. The server cuts what is longer than its own limit (10 s unless configured otherwise).
func WithTimeout(timeout time.Duration) Option {
	return func(o *options) { o.timeout = timeout }
}

// WithAttempts bounds how many times one operation is tried. Default: 4. 1 never retries.
func WithAttempts(n int) Option {
	return func(o *options) { o.attempts = n }
}

// WithUpdateAttempts bounds how many times [Client.Update] writes when it loses races. Default: 10.
func WithUpdateAttempts(n int) Option {
	return func(o *options) { o.updateAttempts = n }
}

// WithTLS encrypts the connections: RootCAs says whom to trust, Certificates who the client is. Default: plain text,
// which is all that servers of version 0.1 offer.
func WithTLS(config *tls.Config) Option {
	return func(o *options) { o.tls = config }
}

// WithToken sends a bearer token with every call. It needs [WithTLS]: a token is never sent in plain text.
func WithToken(token string) Option {
	return func(o *options) { o.token = token }
}

// WithReadOptions sets defaults for all reads.
func WithReadOptions(opts ...ReadOption) Option {
	return func(o *options) {
		o.read = new(kindredv1.ReadOptions)
		for _, opt := range opts {
			opt.applyToRead(o.read)
		}
	}
}

// WithWriteOptions sets defaults for all writes.
func WithWriteOptions(opts ...WriteOption) Option {
	return func(o *options) { o.write = opts }
}

// WithResolver sets how [Client.Update] resolves siblings in one bucket.
func WithResolver(bucket string, resolver Resolver) Option {
	return func(o *options) {
		if o.resolvers == nil {
			o.resolvers = make(map[string]Resolver)
		}
		o.resolvers[Key{Bucket: bucket}.bucketName()] = resolver
	}
}

// WithDirectRouting sends each key to one of its replicas, which saves a hop inside the cluster. The client learns
// where keys live from the cluster, and connects to all nodes at the addresses that those advertise; a key whose
// replicas it cannot reach goes to the endpoints in turn, as without this option.
func WithDirectRouting() Option {
	return func(o *options) { o.directRouting = true }
}

// WithDialOptions adds options for the gRPC connections, for example interceptors. They come after the client's
// own, so they can override them.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(o *options) { o.dial = append(o.dial, opts...) }
}

func (o *options) validate() error {
	switch {
	case o.timeout <= 0:
		return fmt.Errorf("kindred: timeout %v is not more than zero", o.timeout)
	case o.attempts < 1:
		return fmt.Errorf("kindred: %d attempts are less than 1", o.attempts)
	case o.updateAttempts < 1:
		return fmt.Errorf("kindred: %d update attempts are less than 1", o.updateAttempts)
	case o.token != "" && o.tls == nil:
		return errors.New("kindred: a token needs TLS")
	}
	return nil
}

func (o *options) dialOptions() []grpc.DialOption {
	transport := insecure.NewCredentials()
	if o.tls != nil {
		transport = credentials.NewTLS(o.tls)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent(userAgent),
		// This client retries by itself, and knows what is safe to. A retry policy below it would hide attempts.
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceiveBytes)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:                20 * time.Second,
			Timeout:             5 * time.Second,
			PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: grpcbackoff.Config{
				BaseDelay:  100 * time.Millisecond,
				Multiplier: 1.6,
				Jitter:     0.2,
				MaxDelay:   3 * time.Second,
			},
			MinConnectTimeout: connectTimeout,
		}),
	}
	if o.token != "" {
		opts = append(opts, grpc.WithPerRPCCredentials(bearerToken(o.token)))
	}
	return append(opts, o.dial...)
}

type bearerToken string

func (t bearerToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(t)}, nil
}

func (bearerToken) RequireTransportSecurity() bool { return true }
