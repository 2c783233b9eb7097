package kindred

import (
	"container/list"
	"context"
	"errors"
	"sync"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

const defaultSessionKeys = 10_000

// A Session remembers what it has seen of each key, so that it reads its own writes and never goes back in time, at
// any [Consistency]: even at [One], through any node. Its writes supersede what it has seen; the first write of a key
// that the session does not know is a blind one.
//
// Operations on one key of a session go one after the other; those on different keys do not wait for each other. It
// is safe for use by many goroutines.
//
// It remembers a bounded number of keys (see [WithSessionKeys]) and forgets those that were not used for the longest
// time; for a key that it has forgotten it promises nothing about what was seen before.
type Session struct {
	client *Client
	limit  int

	mu   sync.Mutex
	keys map[Key]*list.Element // Of *sessionKey.
	used list.List             // The one used last is in front.
}

// A sessionKey is what a session knows of one key.
type sessionKey struct {
	key     Key
	context CausalContext
	// turn is full while an operation is under way. It is a channel so that waiting can be cancelled.
	turn chan struct{}
	// users are the operations that are under way or wait. A key in use is not forgotten.
	users int
}

// A SessionOption configures a [Session].
type SessionOption func(*Session)

// WithSessionKeys sets how many keys the session remembers. Default: 10,000, of some 100 bytes each.
func WithSessionKeys(n int) SessionOption {
	return func(s *Session) { s.limit = max(1, n) }
}

// Session starts a session, which has nothing in common with others. It need not be closed.
func (c *Client) Session(opts ...SessionOption) *Session {
	s := &Session{client: c, limit: defaultSessionKeys, keys: make(map[Key]*list.Element)}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// Get is as [Client.Get], and never answers with less than the session has seen; [WithMinContext] has no effect.
func (s *Session) Get(ctx context.Context, bucket, key string, opts ...ReadOption) (GetResult, error) {
	var result GetResult
	err := s.do(ctx, operation{name: "get", key: Key{bucket, key}}, func(seen CausalContext) (_ CausalContext, err error) {
		result, err = s.client.get(ctx, Key{bucket, key}, notBefore(seen, opts))
		if err != nil {
			return CausalContext{}, err
		}
		return result.CausalContext(), nil
	})
	return result, err
}

// Put is as [Client.Put], and supersedes what the session has seen. [WithCausalContext] is refused; [WithBlindWrite]
// counts only while the session knows nothing of the key.
func (s *Session) Put(ctx context.Context, bucket, key string, value Value, opts ...PutOption) (*WriteResult, error) {
	op := operation{name: "put", write: true, key: Key{bucket, key}}
	if err := op.invalid(value); err != nil {
		return nil, err
	}
	request := s.client.putRequest(op.key, value, opts)
	if _, ok := request.GetCausality().(*kindredv1.PutRequest_Context); ok {
		return nil, contextInSession(op)
	}
	return s.write(ctx, op, func(seen CausalContext) (*WriteResult, error) {
		if !seen.IsZero() {
			WithCausalContext(seen).applyToPut(request)
		}
		return s.client.sendPut(ctx, op, request)
	})
}

// Delete is as [Client.Delete], and deletes what the session has seen. [WithCausalContext] is refused;
// [WithBlindWrite] counts only while the session knows nothing of the key.
func (s *Session) Delete(ctx context.Context, bucket, key string, opts ...DeleteOption) (*WriteResult, error) {
	op := operation{name: "delete", write: true, key: Key{bucket, key}}
	if err := op.invalid(Value{}); err != nil {
		return nil, err
	}
	request := s.client.deleteRequest(op.key, opts)
	if _, ok := request.GetCausality().(*kindredv1.DeleteRequest_Context); ok {
		return nil, contextInSession(op)
	}
	return s.write(ctx, op, func(seen CausalContext) (*WriteResult, error) {
		if !seen.IsZero() {
			WithCausalContext(seen).applyToDelete(request)
		}
		return s.client.sendDelete(ctx, op, request)
	})
}

// Update is as [Client.Update]: it reads at least what the session has seen, and the session remembers the outcome.
func (s *Session) Update(
	ctx context.Context, bucket, key string, change func(current *Value) (Change, error), opts ...UpdateOption,
) (*UpdateResult, error) {
	var result *UpdateResult
	op := operation{name: "update", write: true, key: Key{bucket, key}}
	err := s.do(ctx, op, func(seen CausalContext) (_ CausalContext, err error) {
		u := s.client.newUpdate(op.key, change, opts)
		u.readOptions = notBefore(seen, u.readOptions)
		result, err = u.run(ctx)
		var conflict *ConflictError
		if errors.As(err, &conflict) && conflict.Applied {
			return conflict.Context, err
		}
		if err != nil {
			return CausalContext{}, err
		}
		return result.Context, nil
	})
	return result, err
}

func (s *Session) write(ctx context.Context, op operation, send func(seen CausalContext) (*WriteResult, error)) (*WriteResult, error) {
	var result *WriteResult
	err := s.do(ctx, op, func(seen CausalContext) (_ CausalContext, err error) {
		result, err = send(seen)
		if err != nil {
			return CausalContext{}, err
		}
		return result.Context, nil
	})
	return result, err
}

// do carries out one operation in its turn, with what the session has seen of the key, and remembers what it answers.
// After an error without a context what was seen before still holds.
func (s *Session) do(ctx context.Context, op operation, once func(seen CausalContext) (CausalContext, error)) error {
	k := s.enter(Key{op.key.bucketName(), op.key.Key})
	defer s.leave(k)
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return notBegun(op, codeOf(ctx.Err()), ctx.Err())
	}
	defer func() { <-k.turn }()
	seen, err := once(k.context)
	if !seen.IsZero() {
		k.context = seen
	}
	return err
}

func (s *Session) enter(key Key) *sessionKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	element, ok := s.keys[key]
	if ok {
		s.used.MoveToFront(element)
	} else {
		element = s.used.PushFront(&sessionKey{key: key, turn: make(chan struct{}, 1)})
		s.keys[key] = element
	}
	k := element.Value.(*sessionKey)
	k.users++
	return k
}

func (s *Session) leave(k *sessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.users--
	for element := s.used.Back(); element != nil && s.used.Len() > s.limit; {
		previous := element.Prev()
		if old := element.Value.(*sessionKey); old.users == 0 {
			s.used.Remove(element)
			delete(s.keys, old.key)
		}
		element = previous
	}
}

func notBefore(seen CausalContext, opts []ReadOption) []ReadOption {
	if seen.IsZero() {
		return opts
	}
	return append(opts[:len(opts):len(opts)], WithMinContext(seen))
}

func contextInSession(op operation) error {
	return invalidArgument(op, "context", "a session gives its own")
}
