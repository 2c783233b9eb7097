package kindred

import "context"

// A Future is the answer to an operation of a [Pipeline], once it is there. It is safe for use by many goroutines.
type Future[T any] struct {
	op     operation
	done   chan struct{}
	result T
	err    error
}

// Done is closed when the answer is there.
func (f *Future[T]) Done() <-chan struct{} { return f.done }

// Result waits for the answer. It comes, at the latest, when the operation times out.
func (f *Future[T]) Result() (T, error) {
	<-f.done
	return f.result, f.err
}

// Wait waits for the answer, or until ctx ends. The operation goes on even so: a write that is no longer waited for
// has an unknown outcome.
func (f *Future[T]) Wait(ctx context.Context) (T, error) {
	select {
	case <-f.done:
		return f.result, f.err
	case <-ctx.Done():
	}
	var none T
	e := notBegun(f.op, codeOf(ctx.Err()), ctx.Err())
	if f.op.write {
		e.Outcome = OutcomeUnknown
	}
	e.Attempts = 1
	return none, e
}

// resolve sets the answer. It is called once.
func (f *Future[T]) resolve(result T, err error) {
	f.result, f.err = result, err
	close(f.done)
}
