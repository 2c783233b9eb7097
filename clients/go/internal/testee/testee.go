package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	kindred "github.com/kindred-db/kindred/clients/go"
)

const version = "0.1.0"

// A testee holds what the requests name.
type testee struct {
	mu        sync.Mutex
	clients   map[string]*kindred.Client
	sessions  map[string]*kindred.Session
	pipelines map[string]*kindred.Pipeline
	running   map[json.Number]context.CancelFunc
}

func newTestee() *testee {
	return &testee{
		clients:   make(map[string]*kindred.Client),
		sessions:  make(map[string]*kindred.Session),
		pipelines: make(map[string]*kindred.Pipeline),
		running:   make(map[json.Number]context.CancelFunc),
	}
}

func (t *testee) close() {
	for _, client := range t.clients {
		client.Close()
	}
}

// errUnimplemented is what the runner asks of a testee that cannot do something.
var errUnimplemented = errors.New("unimplemented")

// prepare makes what a request needs, so that later requests find it, and returns the work itself.
func (t *testee) prepare(r *request) func() answer {
	ctx, cancel := context.WithCancel(context.Background())
	t.mu.Lock()
	t.running[r.ID] = cancel
	t.mu.Unlock()
	if r.CancelAfterMs != nil {
		time.AfterFunc(time.Duration(*r.CancelAfterMs)*time.Millisecond, cancel)
	}

	work, err := t.workOf(r)
	return func() answer {
		defer func() {
			t.mu.Lock()
			delete(t.running, r.ID)
			t.mu.Unlock()
			cancel()
		}()
		var ok any
		if err == nil {
			ok, err = work(ctx)
		}
		switch {
		case errors.Is(err, errUnimplemented):
			return answer{ID: r.ID, Error: unimplemented(err.Error())}
		case err != nil:
			return answer{ID: r.ID, Error: failureOf(err)}
		default:
			return answer{ID: r.ID, OK: ok}
		}
	}
}

type work func(context.Context) (any, error)

func (t *testee) workOf(r *request) (work, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch r.Op {
	case "hello":
		return done(object{"language": "go", "version": version, "features": []string{}})
	case "cancel":
		if cancel := t.running[r.Of]; cancel != nil {
			cancel()
		}
		return done(object{})
	case "connect":
		return t.connect(r)
	case "closePipeline":
		pipeline, err := lookUp(t.pipelines, r.Pipeline)
		if err != nil {
			return nil, err
		}
		delete(t.pipelines, r.Pipeline)
		return func(context.Context) (any, error) { return object{}, pipeline.Close() }, nil
	case "pipelined":
		pipeline, err := lookUp(t.pipelines, r.Pipeline)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (any, error) { return pipelined(ctx, pipeline, r.Operations) }, nil
	}

	if r.Session != "" && r.Op != "session" {
		session, err := lookUp(t.sessions, r.Session)
		if err != nil {
			return nil, err
		}
		return inSession(session, r)
	}
	client, err := lookUp(t.clients, r.Client)
	if err != nil {
		return nil, err
	}
	switch r.Op {
	case "close":
		delete(t.clients, r.Client)
		return func(context.Context) (any, error) { return object{}, client.Close() }, nil
	case "session":
		t.sessions[r.Session] = client.Session()
		return done(object{})
	case "pipeline":
		var opts []kindred.PipelineOption
		if r.InFlight > 0 {
			opts = append(opts, kindred.WithInFlight(r.InFlight))
		}
		t.pipelines[r.Pipeline] = client.Pipeline(opts...)
		return done(object{})
	}
	return onClient(client, r)
}

func done(ok object) (work, error) {
	return func(context.Context) (any, error) { return ok, nil }, nil
}

func lookUp[T any](all map[string]T, name string) (T, error) {
	one, ok := all[name]
	if !ok {
		return one, fmt.Errorf("%w: no %T is named %q", errUnimplemented, one, name)
	}
	return one, nil
}

func (t *testee) connect(r *request) (work, error) {
	opts := []kindred.Option{}
	if r.TimeoutMs > 0 {
		opts = append(opts, kindred.WithTimeout(time.Duration(r.TimeoutMs)*time.Millisecond))
	}
	if r.Attempts > 0 {
		opts = append(opts, kindred.WithAttempts(r.Attempts))
	}
	if r.DirectRouting {
		opts = append(opts, kindred.WithDirectRouting())
	}
	client, err := kindred.NewClient(r.Endpoints, opts...)
	if err != nil {
		return nil, err
	}
	t.clients[r.Client] = client
	return done(object{})
}

func onClient(client *kindred.Client, r *request) (work, error) {
	bucket, key := r.Bucket, string(r.Key)
	switch r.Op {
	case "get":
		opts, err := r.Read.options()
		return func(ctx context.Context) (any, error) {
			return rendered(getResultOf)(client.Get(ctx, bucket, key, opts...))
		}, err
	case "put":
		opts, err := r.putOptions()
		return func(ctx context.Context) (any, error) {
			return rendered(writeResultOf)(client.Put(ctx, bucket, key, r.putValue(), opts...))
		}, err
	case "delete":
		opts, err := r.deleteOptions()
		return func(ctx context.Context) (any, error) {
			return rendered(writeResultOf)(client.Delete(ctx, bucket, key, opts...))
		}, err
	case "touch":
		opts, err := r.touchOptions()
		return func(ctx context.Context) (any, error) {
			return rendered(touchResultOf)(client.Touch(ctx, bucket, key, opts...))
		}, err
	case "writeOutcome":
		opts, err := r.Read.options()
		if err != nil {
			return nil, err
		}
		id, err := kindred.ParseRequestID(r.RequestID)
		return func(ctx context.Context) (any, error) {
			return rendered(outcomeOf)(client.WriteOutcome(ctx, bucket, key, id, opts...))
		}, err
	case "update":
		change, opts, err := updateOf(r)
		return func(ctx context.Context) (any, error) {
			return rendered(updateResultOf)(client.Update(ctx, bucket, key, change, opts...))
		}, err
	case "batchGet":
		return batchGet(client, r)
	case "batchWrite":
		return batchWrite(client, r)
	case "placement":
		return func(ctx context.Context) (any, error) { return placement(ctx, client, r.Keys) }, nil
	}
	return nil, fmt.Errorf("%w: %q", errUnimplemented, r.Op)
}

func inSession(session *kindred.Session, r *request) (work, error) {
	bucket, key := r.Bucket, string(r.Key)
	switch r.Op {
	case "get":
		opts, err := r.Read.options()
		return func(ctx context.Context) (any, error) {
			return rendered(getResultOf)(session.Get(ctx, bucket, key, opts...))
		}, err
	case "put":
		opts, err := r.putOptions()
		return func(ctx context.Context) (any, error) {
			return rendered(writeResultOf)(session.Put(ctx, bucket, key, r.putValue(), opts...))
		}, err
	case "delete":
		opts, err := r.deleteOptions()
		return func(ctx context.Context) (any, error) {
			return rendered(writeResultOf)(session.Delete(ctx, bucket, key, opts...))
		}, err
	case "update":
		change, opts, err := updateOf(r)
		return func(ctx context.Context) (any, error) {
			return rendered(updateResultOf)(session.Update(ctx, bucket, key, change, opts...))
		}, err
	}
	return nil, fmt.Errorf("%w: %q in a session", errUnimplemented, r.Op)
}

// rendered turns the result of a call into an answer.
func rendered[T any](render func(T) object) func(T, error) (any, error) {
	return func(result T, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		return render(result), nil
	}
}

func outcomeOf(o *kindred.WriteOutcome) object {
	if o.Applied {
		return object{"outcome": "APPLIED", "dot": dotOf(o.Dot), "context": o.Context.String()}
	}
	return object{"outcome": "NOT_SEEN", "context": o.Context.String()}
}

func updateResultOf(r *kindred.UpdateResult) object {
	o := object{"context": r.Context.String(), "versionsHeld": r.VersionsHeld}
	if r.Value != nil {
		o["value"] = valueOf(*r.Value)
	}
	return o
}

func updateOf(r *request) (func(*kindred.Value) (kindred.Change, error), []kindred.UpdateOption, error) {
	read, err := r.Read.options()
	if err != nil {
		return nil, nil, err
	}
	write, err := r.Write.options()
	if err != nil {
		return nil, nil, err
	}
	opts := []kindred.UpdateOption{kindred.ReadingWith(read...), kindred.WritingWith(write...)}
	switch r.Resolver {
	case "":
	case "union":
		opts = append(opts, kindred.ResolvedBy(kindred.UnionOf[string]()))
	case "lastWriter":
		opts = append(opts, kindred.ResolvedBy(kindred.LastWriter))
	default:
		return nil, nil, fmt.Errorf("%w: resolver %q", errUnimplemented, r.Resolver)
	}
	if r.Fn == nil {
		return nil, nil, fmt.Errorf("%w: update without fn", errUnimplemented)
	}
	return r.Fn.change, opts, nil
}

func (f *function) change(current *kindred.Value) (kindred.Change, error) {
	var next kindred.Value
	if current != nil {
		next = *current
	}
	switch {
	case f.Append != nil:
		next.Data = append(slices.Clone(next.Data), *f.Append...)
	case f.Add != nil:
		var set []string
		if len(next.Data) > 0 {
			if err := json.Unmarshal(next.Data, &set); err != nil {
				return kindred.Keep(), err
			}
		}
		if !slices.Contains(set, *f.Add) {
			set = append(set, *f.Add)
			slices.Sort(set)
		}
		next.Data, _ = json.Marshal(set)
	default:
		return kindred.Keep(), nil
	}
	return kindred.Store(next), nil
}

func placement(ctx context.Context, client *kindred.Client, keys []arguments) (any, error) {
	homes, tokens := [][]string{}, []string{}
	for _, k := range keys {
		ids, err := client.Homes(ctx, k.Bucket, string(k.Key))
		if err != nil {
			return nil, err
		}
		homes = append(homes, ids)
		tokens = append(tokens, fmt.Sprintf("%016x", kindred.Token(k.Bucket, string(k.Key))))
	}
	return object{"homes": homes, "tokens": tokens}, nil
}
