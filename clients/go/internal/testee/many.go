package main

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"google.golang.org/grpc/codes"

	kindred "github.com/kindred-db/kindred/clients/go"
)

// errEmptyBatch stands for what a server says to a batch without items. The client does not ask it: there is nothing to
// iterate over.
var errEmptyBatch = &kindred.Error{
	Op: "batch", Code: codes.InvalidArgument, Reason: kindred.ReasonInvalidRequest, Message: "a batch without items", SafeToRetry: true,
}

func batchGet(client *kindred.Client, r *request) (work, error) {
	opts, err := r.Read.options()
	if err != nil {
		return nil, err
	}
	if len(r.Keys) == 0 {
		return nil, errEmptyBatch
	}
	var keys []kindred.Key
	for _, k := range r.Keys {
		keys = append(keys, kindred.Key{Bucket: k.Bucket, Key: string(k.Key)})
	}
	return func(ctx context.Context) (any, error) {
		return itemsOf(client.BatchGet(ctx, keys, opts...), len(keys), getResultOf)
	}, nil
}

func batchWrite(client *kindred.Client, r *request) (work, error) {
	opts, err := r.Write.options()
	if err != nil {
		return nil, err
	}
	if len(r.Mutations) == 0 {
		return nil, errEmptyBatch
	}
	var mutations []kindred.Mutation
	for _, m := range r.Mutations {
		switch {
		case m.Put != nil:
			opts, err := m.Put.putOptions()
			if err != nil {
				return nil, err
			}
			mutations = append(mutations, kindred.NewPut(m.Put.Bucket, string(m.Put.Key), m.Put.putValue(), opts...))
		case m.Delete != nil:
			opts, err := m.Delete.deleteOptions()
			if err != nil {
				return nil, err
			}
			mutations = append(mutations, kindred.NewDelete(m.Delete.Bucket, string(m.Delete.Key), opts...))
		default:
			return nil, fmt.Errorf("%w: mutation of neither kind", errUnimplemented)
		}
	}
	return func(ctx context.Context) (any, error) {
		return itemsOf(client.BatchWrite(ctx, mutations, opts...), len(mutations), writeResultOf)
	}, nil
}

// itemsOf puts the items of a batch in order. When all of them have the error of the call, the runner is told so.
func itemsOf[T any](items iter.Seq[kindred.BatchItem[T]], size int, render func(T) object) (any, error) {
	results := make([]object, size)
	failures := make(map[error]int)
	for item := range items {
		if item.Err != nil {
			call := item.Err
			if wrapped, ok := errors.Unwrap(item.Err).(*kindred.Error); ok {
				call = wrapped
			}
			failures[call]++
			if failures[call] == size {
				return nil, call
			}
			results[item.Index] = object{"index": item.Index, "error": failureOf(item.Err)}
		} else {
			results[item.Index] = object{"index": item.Index, "ok": render(item.Result)}
		}
	}
	return object{"results": results}, nil
}

// pipelined queues all operations, and then waits for them.
func pipelined(ctx context.Context, p *kindred.Pipeline, operations []oneOf) (any, error) {
	var waits []func() (any, error)
	for _, o := range operations {
		wait, err := queue(ctx, p, o)
		if err != nil {
			return nil, err
		}
		waits = append(waits, wait)
	}
	results := []object{}
	for _, wait := range waits {
		if ok, err := wait(); err != nil {
			results = append(results, object{"error": failureOf(err)})
		} else {
			results = append(results, object{"ok": ok})
		}
	}
	return object{"results": results}, nil
}

func queue(ctx context.Context, p *kindred.Pipeline, o oneOf) (func() (any, error), error) {
	switch {
	case o.Get != nil:
		opts, err := o.Get.Read.options()
		if err != nil {
			return nil, err
		}
		f := p.Get(ctx, o.Get.Bucket, string(o.Get.Key), opts...)
		return func() (any, error) { return rendered(getResultOf)(f.Wait(ctx)) }, nil
	case o.Put != nil:
		opts, err := o.Put.putOptions()
		if err != nil {
			return nil, err
		}
		f := p.Put(ctx, o.Put.Bucket, string(o.Put.Key), o.Put.putValue(), opts...)
		return func() (any, error) { return rendered(writeResultOf)(f.Wait(ctx)) }, nil
	case o.Delete != nil:
		opts, err := o.Delete.deleteOptions()
		if err != nil {
			return nil, err
		}
		f := p.Delete(ctx, o.Delete.Bucket, string(o.Delete.Key), opts...)
		return func() (any, error) { return rendered(writeResultOf)(f.Wait(ctx)) }, nil
	case o.Touch != nil:
		opts, err := o.Touch.touchOptions()
		if err != nil {
			return nil, err
		}
		f := p.Touch(ctx, o.Touch.Bucket, string(o.Touch.Key), opts...)
		return func() (any, error) { return rendered(touchResultOf)(f.Wait(ctx)) }, nil
	}
	return nil, fmt.Errorf("%w: operation of no kind", errUnimplemented)
}
