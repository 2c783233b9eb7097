package kindred

import (
	"context"
	"errors"
	"fmt"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// A Change is what the function given to [Client.Update] wants done: [Store], [Remove] or [Keep].
type Change struct {
	kind  changeKind
	value Value
}

type changeKind int

const (
	keep changeKind = iota
	store
	remove
)

// Store puts a value.
func Store(value Value) Change { return Change{kind: store, value: value} }

// Remove deletes the key.
func Remove() Change { return Change{kind: remove} }

// Keep writes nothing. Siblings stay as they are.
func Keep() Change { return Change{} }

// An UpdateResult is what an update left behind.
type UpdateResult struct {
	// Value is the value of the key now, or nil if it is absent.
	Value *Value
	// Context covers it.
	Context CausalContext
	// VersionsHeld is that of the last write: more than 1 only without a [Resolver]. If nothing was written, it is how
	// many versions were read.
	VersionsHeld int
}

// An UpdateOption says how an update is carried out.
type UpdateOption interface {
	applyToUpdate(*update)
}

// ResolvedBy resolves siblings with resolver, instead of the one that [WithResolver] set for the bucket.
func ResolvedBy(resolver Resolver) UpdateOption {
	return updateOption(func(u *update) { u.resolver = resolver })
}

// ReadingWith carries out the reads of an update with these options. Default: at [Quorum]. An update has to see all
// versions as they are, whatever the client's [WithReadOptions] say: [WithoutData], and [WithConflictMode] for another
// mode than [ReturnAll], are refused.
func ReadingWith(opts ...ReadOption) UpdateOption {
	return updateOption(func(u *update) { u.readOptions = append(u.readOptions, opts...) })
}

// WritingWith carries out the writes of an update with these options. A request id would be the same for all of them,
// so [WithRequestID] does not belong here.
func WritingWith(opts ...WriteOption) UpdateOption {
	return updateOption(func(u *update) { u.writeOptions = append(u.writeOptions, opts...) })
}

// Expiring lets the values that an update stores expire: give [WithTTL], [WithExpireTime] or [WithKeptExpiry].
// Default: as every put, after the default of the bucket.
func Expiring(expiry PutOption) UpdateOption {
	return updateOption(func(u *update) { u.expiry = expiry })
}

type updateOption func(*update)

func (f updateOption) applyToUpdate(u *update) { f(u) }

// Update reads a key, calls change with its value (nil: absent), and writes what change returns with the context of
// the read, so that nothing is lost that somebody else writes meanwhile. Siblings are merged by the bucket's
// [Resolver], before change is called, and again after the write if it raced with another. Without a resolver,
// siblings are a [*ConflictError] when they are read, and stay when the write makes them.
//
// change may be called again, but only after its write was certainly not applied. An error that it returns ends the
// update, and is returned. Each read and write has the client's timeout; ctx bounds the whole.
func (c *Client) Update(
	ctx context.Context, bucket, key string, change func(current *Value) (Change, error), opts ...UpdateOption,
) (*UpdateResult, error) {
	return c.newUpdate(Key{bucket, key}, change, opts).run(ctx)
}

// An update is one call of [Client.Update].
type update struct {
	client *Client
	key    Key
	change func(*Value) (Change, error)

	resolver     Resolver
	readOptions  []ReadOption
	writeOptions []WriteOption
	expiry       PutOption

	// left is how many rounds may yet be begun.
	left int
	// versions and context are what was read last; after a write that was applied, nothing and the context of that.
	versions []Version
	context  CausalContext
}

func (c *Client) newUpdate(key Key, change func(*Value) (Change, error), opts []UpdateOption) *update {
	u := &update{
		client:      c,
		key:         key,
		change:      change,
		resolver:    c.options.resolvers[key.bucketName()],
		readOptions: []ReadOption{WithConsistency(Quorum)},
		left:        c.options.updateAttempts,
	}
	for _, opt := range opts {
		opt.applyToUpdate(u)
	}
	return u
}

func (u *update) run(ctx context.Context) (*UpdateResult, error) {
	if err := u.refused(); err != nil {
		return nil, err
	}
	var lost error
	for made := 1; u.left > 0; made++ {
		u.left--
		current, err := u.read(ctx)
		if err != nil {
			return nil, err
		}
		change, err := u.change(current)
		if err != nil {
			return nil, fmt.Errorf("kindred: update of %q: %w", u.key.Key, err)
		}
		if change.kind == keep {
			return &UpdateResult{Value: current, Context: u.context, VersionsHeld: len(u.versions)}, nil
		}
		result, err := u.write(ctx, change)
		if err == nil {
			return u.settle(ctx, change, result)
		}
		if !lostRace(err) {
			return nil, err
		}
		lost = err
		if !sleep(ctx, backoff(made)) {
			return nil, u.conflict(false, ctx.Err())
		}
	}
	return nil, u.conflict(false, lost)
}

// refused returns an error for options under which an update would supersede what it has not seen.
func (u *update) refused() error {
	o := new(kindredv1.ReadOptions)
	for _, opt := range u.readOptions {
		opt.applyToRead(o)
	}
	op := operation{name: "update", write: true, key: u.key}
	switch {
	case o.GetOnConflict() != kindredv1.ConflictMode_CONFLICT_MODE_UNSPECIFIED && ConflictMode(o.GetOnConflict()) != ReturnAll:
		return invalidArgument(op, "options.on_conflict", "an update reads all versions")
	case o.GetOmitData():
		return invalidArgument(op, "options.omit_data", "an update reads the data")
	}
	return nil
}

// completely is the last option of every read, over the client's defaults.
var completely = readOption(func(o *kindredv1.ReadOptions) {
	o.OnConflict = kindredv1.ConflictMode_CONFLICT_MODE_RETURN_ALL
	o.OmitData = false
})

// settle resolves what raced with a write that has been applied.
func (u *update) settle(ctx context.Context, written Change, result *WriteResult) (*UpdateResult, error) {
	for made := 1; result.VersionsHeld > 1 && u.resolver != nil; made++ {
		merged, err := u.read(ctx, WithMinContext(result.Context))
		if err != nil {
			return nil, u.conflict(true, err)
		}
		if len(u.versions) <= 1 {
			// Somebody else has resolved it.
			return &UpdateResult{Value: merged, Context: u.context, VersionsHeld: len(u.versions)}, nil
		}
		if u.left == 0 {
			return nil, u.conflict(true, nil)
		}
		u.left--
		// The siblings have their expiry already, and the merged value takes that of the latest.
		u.expiry = WithKeptExpiry()
		resolved := Remove()
		if merged != nil {
			resolved = Store(*merged)
		}
		next, err := u.write(ctx, resolved)
		switch {
		case err == nil:
			written, result = resolved, next
		case !lostRace(err):
			return nil, u.conflict(true, err)
		case !sleep(ctx, backoff(made)):
			return nil, u.conflict(true, ctx.Err())
		}
	}
	updated := &UpdateResult{Context: result.Context, VersionsHeld: result.VersionsHeld}
	if written.kind == store {
		updated.Value = &written.value
	}
	return updated, nil
}

// read returns the value of the key, merged, or nil; and keeps what it read.
func (u *update) read(ctx context.Context, more ...ReadOption) (*Value, error) {
	opts := append(u.readOptions[:len(u.readOptions):len(u.readOptions)], more...)
	opts = append(opts, completely)
	result, err := u.client.get(ctx, u.key, opts)
	if err != nil {
		return nil, err
	}
	u.context = result.CausalContext()
	switch r := result.(type) {
	case *Found:
		u.versions = []Version{r.Version}
		return &r.Value, nil
	case *Conflict:
		u.versions = r.Versions
		if u.resolver == nil {
			return nil, u.conflict(false, nil)
		}
		merged, err := u.resolver(r.Versions)
		if err != nil {
			return nil, u.conflict(false, fmt.Errorf("resolver: %w", err))
		}
		return merged, nil
	default:
		u.versions = nil
		return nil, nil
	}
}

// write carries out a change. When it is applied, what was read before holds no longer.
func (u *update) write(ctx context.Context, change Change) (*WriteResult, error) {
	result, err := u.send(ctx, change)
	if err == nil {
		u.versions, u.context = nil, result.Context
	}
	return result, err
}

func (u *update) send(ctx context.Context, change Change) (*WriteResult, error) {
	if change.kind == remove {
		opts := []DeleteOption{WithCausalContext(u.context)}
		for _, opt := range u.writeOptions {
			opts = append(opts, opt)
		}
		return u.client.delete(ctx, u.key, opts)
	}
	opts := []PutOption{WithCausalContext(u.context)}
	for _, opt := range u.writeOptions {
		opts = append(opts, opt)
	}
	if u.expiry != nil {
		opts = append(opts, u.expiry)
	}
	return u.client.put(ctx, u.key, change.value, opts)
}

// conflict is what is left when the update gives up. A conflict that was found on the way is told as one.
func (u *update) conflict(applied bool, cause error) error {
	var found *ConflictError
	if errors.As(cause, &found) {
		cause = found.cause
	}
	return &ConflictError{Key: u.key, Versions: u.versions, Context: u.context, Applied: applied, cause: cause}
}

// lostRace tells whether a write was certainly not applied, because of what others wrote.
func lostRace(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Outcome != OutcomeNotApplied {
		return false
	}
	switch e.Reason {
	case ReasonTooManySiblings, ReasonConflict, ReasonKeyExists, ReasonContextNotReached:
		return true
	}
	return false
}
