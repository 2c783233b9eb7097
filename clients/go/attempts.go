package kindred

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"
)

// Backoff between the attempts of one operation: exponential, with full jitter. The first retry usually goes to
// another node, so it need not wait long.
const (
	backoffBase = 25 * time.Millisecond
	backoffMax  = time.Second
)

// An operation is what the retry loop has to know about a call.
type operation struct {
	name  string
	write bool
	key   Key
	// requestID is that of a write, once it has one.
	requestID RequestID
}

// attempts counts the attempts of one operation, and remembers what they leave open.
type attempts struct {
	op    operation
	limit int
	made  int
	// endpoint is where the last attempt went. The next one avoids it.
	endpoint *endpoint
	// unknown: an attempt may have been applied. What a later attempt says holds for that one alone, so the whole
	// stays unknown.
	unknown bool
}

// failed records that the last attempt failed, and returns what is to be told if there is no other. ended is why the
// operation may not go on, or nil.
func (a *attempts) failed(f failure, ended error) *Error {
	e := &Error{
		Op:          a.op.name,
		Code:        f.code,
		Message:     f.message,
		SafeToRetry: true,
		RequestID:   a.op.requestID,
		Attempts:    a.made,
		Endpoint:    a.endpoint.address,
		Detail:      detailFromProto(f.detail),
	}
	if f.detail == nil {
		e.cause = ended
	} else {
		e.Reason = Reason(f.detail.GetReason())
		e.SafeToRetry = f.detail.GetSafeToRetry()
	}
	if a.op.write {
		e.Outcome = f.outcome()
		a.unknown = a.unknown || e.Outcome == OutcomeUnknown
		if a.unknown {
			e.Outcome = OutcomeUnknown
		}
	}
	return e
}

// endedBy is e for a caller who gave up while the next attempt was waited for.
func (e *Error) endedBy(err error) *Error {
	e.Code, e.cause = codeOf(err), err
	return e
}

// next tells whether there is to be another attempt after f, and how long to wait for it.
func (a *attempts) next(f failure, ended bool, remaining time.Duration) (delay time.Duration, again bool) {
	if a.made >= a.limit || !f.worthRetrying(ended) {
		return 0, false
	}
	delay = max(backoff(a.made), f.retryAfter())
	return delay, delay < remaining
}

// backoff draws the delay after the given number of attempts.
func backoff(made int) time.Duration {
	ceiling := backoffMax
	if shift := made - 1; shift < 6 {
		ceiling = min(ceiling, backoffBase<<shift)
	}
	return rand.N(ceiling)
}

// attempt calls once until it succeeds, or has failed for good. once makes one attempt, at a.endpoint, and tells with
// its error whether anything can have been sent.
func (c *Client) attempt(ctx context.Context, op operation, once func(ctx context.Context, a *attempts) (sent bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.timeout)
	defer cancel()
	if err := cmp.Or(ctx.Err(), c.closedError()); err != nil {
		return notBegun(op, codeOf(err), err)
	}
	a := &attempts{op: op, limit: c.options.attempts}
	for {
		a.endpoint = c.route(op.key, a.endpoint)
		a.made++
		sent, err := once(ctx, a)
		if err == nil {
			return nil
		}
		ended := cmp.Or(ctx.Err(), c.closedError())
		f := failureOf(err, sent)
		failed := a.failed(f, ended)
		delay, again := a.next(f, ended != nil, remaining(ctx))
		if !again {
			return failed
		}
		if !sleep(ctx, delay) {
			return failed.endedBy(ctx.Err())
		}
	}
}

func remaining(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline)
}

// sleep waits, and tells whether ctx allows going on.
func sleep(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
