// Command bench measures the client beside the bare gRPC stub that it is made of, and prints one line of JSON.
//
//	bench HOST:PORT,HOST:PORT,... SECONDS
//
// Each figure is operations a second, over values of 100 bytes; calls are made by 64 goroutines.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	kindred "github.com/kindred-db/kindred/clients/go"
	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

const (
	inFlight = 64
	keys     = 10_000 // Many more than are in flight: concurrent writes of one key wait for each other.
	rounds   = 4
	timeout  = 5 * time.Second
)

// figures is the line that is printed.
type figures struct {
	Client      string `json:"client"`
	StubGet     int    `json:"stubGet"`
	ClientGet   int    `json:"clientGet"`
	OneGet      int    `json:"oneGet"` // One caller, one call after the other.
	StubPut     int    `json:"stubPut"`
	ClientPut   int    `json:"clientPut"`
	OnePut      int    `json:"onePut"`
	PipelineGet int    `json:"pipelineGet"`
	PipelinePut int    `json:"pipelinePut"`
	DirectGet   int    `json:"directGet"`
	DirectPut   int    `json:"directPut"`
	InFlight    int    `json:"inFlight"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: bench HOST:PORT,HOST:PORT,... SECONDS")
		os.Exit(2)
	}
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err == nil {
		err = run(strings.Split(os.Args[1], ","), time.Duration(seconds*float64(time.Second)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(endpoints []string, each time.Duration) error {
	stubs, err := newStubs(endpoints)
	if err != nil {
		return err
	}
	client, err := kindred.NewClient(endpoints)
	if err != nil {
		return err
	}
	defer client.Close()
	direct, err := kindred.NewClient(endpoints, kindred.WithDirectRouting())
	if err != nil {
		return err
	}
	defer direct.Close()
	if _, err := direct.Homes(context.Background(), "", keyOf(0)); err != nil {
		return err
	}

	each /= rounds
	f := figures{Client: "go", InFlight: inFlight}
	value := kindred.Value{Data: make([]byte, 100)}
	if err := fill(client, value); err != nil {
		return err
	}
	measurements := []struct {
		figure  *int
		measure func() (int, error)
	}{
		{&f.StubPut, func() (int, error) { return unary(each, inFlight, stubs.put) }},
		{&f.ClientPut, func() (int, error) {
			return unary(each, inFlight, func(ctx context.Context, key string) error {
				_, err := client.Put(ctx, "", key, value)
				return err
			})
		}},
		{&f.OnePut, func() (int, error) {
			return unary(each, 1, func(ctx context.Context, key string) error {
				_, err := client.Put(ctx, "", key, value)
				return err
			})
		}},
		{&f.DirectPut, func() (int, error) {
			return unary(each, inFlight, func(ctx context.Context, key string) error {
				_, err := direct.Put(ctx, "", key, value)
				return err
			})
		}},
		{&f.StubGet, func() (int, error) { return unary(each, inFlight, stubs.get) }},
		{&f.ClientGet, func() (int, error) {
			return unary(each, inFlight, func(ctx context.Context, key string) error {
				_, err := client.Get(ctx, "", key)
				return err
			})
		}},
		{&f.OneGet, func() (int, error) {
			return unary(each, 1, func(ctx context.Context, key string) error {
				_, err := client.Get(ctx, "", key)
				return err
			})
		}},
		{&f.DirectGet, func() (int, error) {
			return unary(each, inFlight, func(ctx context.Context, key string) error {
				_, err := direct.Get(ctx, "", key)
				return err
			})
		}},
		{&f.PipelinePut, func() (int, error) {
			return pipelined(each, client, func(ctx context.Context, p *kindred.Pipeline, key string) *kindred.Future[*kindred.WriteResult] {
				return p.Put(ctx, "", key, value)
			})
		}},
		{&f.PipelineGet, func() (int, error) {
			return pipelined(each, client, func(ctx context.Context, p *kindred.Pipeline, key string) *kindred.Future[kindred.GetResult] {
				return p.Get(ctx, "", key)
			})
		}},
	}
	// In turns, so that what else the machine does meanwhile falls on all of them.
	for range rounds {
		for _, m := range measurements {
			rate, err := m.measure()
			if err != nil {
				return err
			}
			*m.figure += rate / rounds
		}
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

func keyOf(n int64) string { return "bench/" + strconv.FormatInt(n%keys, 10) }

// fill writes all keys, so that every read finds something.
func fill(client *kindred.Client, value kindred.Value) error {
	p := client.Pipeline()
	futures := make([]*kindred.Future[*kindred.WriteResult], keys)
	for n := range futures {
		futures[n] = p.Put(context.Background(), "", keyOf(int64(n)), value)
	}
	for _, f := range futures {
		if _, err := f.Result(); err != nil {
			return err
		}
	}
	return p.Close()
}

// unary keeps so many callers busy, and returns how many succeeded in a second.
func unary(each time.Duration, callers int, call func(context.Context, string) error) (int, error) {
	var made, next atomic.Int64
	var failed atomic.Value
	var running sync.WaitGroup
	start := time.Now()
	for range callers {
		running.Go(func() {
			for time.Since(start) < each && failed.Load() == nil {
				err := call(context.Background(), keyOf(next.Add(1)))
				switch {
				case err == nil:
					made.Add(1)
				case status.Code(err) != codes.ResourceExhausted: // Which a busy node answers: nothing was done.
					failed.Store(err)
					return
				}
			}
		})
	}
	running.Wait()
	if err := failed.Load(); err != nil {
		return 0, err.(error)
	}
	return int(float64(made.Load()) / time.Since(start).Seconds()), nil
}

// pipelined keeps a pipeline full, and returns how many operations succeeded in a second.
func pipelined[T any](
	each time.Duration, client *kindred.Client, queue func(context.Context, *kindred.Pipeline, string) *kindred.Future[T],
) (int, error) {
	p := client.Pipeline()
	futures := make(chan *kindred.Future[T], 4096)
	start := time.Now()
	go func() {
		defer close(futures)
		for n := int64(0); time.Since(start) < each; n++ {
			futures <- queue(context.Background(), p, keyOf(n))
		}
	}()
	made := 0
	var failed error
	for f := range futures {
		_, err := f.Result()
		switch {
		case err == nil:
			made++
		case status.Code(err) != codes.ResourceExhausted:
			failed = err
		}
	}
	if failed != nil {
		return 0, failed
	}
	rate := int(float64(made) / time.Since(start).Seconds())
	return rate, p.Close()
}

// stubs are the bare generated clients, in turn: what a program without this package would use.
type stubs struct {
	all  []kindredv1.KeyValueServiceClient
	turn atomic.Uint32
}

func newStubs(endpoints []string) (*stubs, error) {
	s := new(stubs)
	for _, endpoint := range endpoints {
		conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		s.all = append(s.all, kindredv1.NewKeyValueServiceClient(conn))
	}
	return s, nil
}

func (s *stubs) next() kindredv1.KeyValueServiceClient {
	return s.all[int(s.turn.Add(1))%len(s.all)]
}

func (s *stubs) get(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := s.next().Get(ctx, &kindredv1.GetRequest{Key: &kindredv1.Key{Key: []byte(key)}})
	return err
}

func (s *stubs) put(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	id := kindred.NewRequestID()
	_, err := s.next().Put(ctx, &kindredv1.PutRequest{
		Key:     &kindredv1.Key{Key: []byte(key)},
		Value:   &kindredv1.Value{Data: make([]byte, 100)},
		Options: &kindredv1.WriteOptions{RequestId: id[:]},
	})
	return err
}
