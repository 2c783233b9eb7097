package main

import (
	"fmt"
	"time"

	kindred "github.com/kindred-db/kindred/clients/go"
)

func (o *readOptions) options() ([]kindred.ReadOption, error) {
	if o == nil {
		return nil, nil
	}
	var opts []kindred.ReadOption
	if o.Consistency != "" {
		level, err := levelNamed(o.Consistency)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kindred.WithConsistency(level))
	}
	if o.Replicas != nil {
		opts = append(opts, kindred.WithReplicas(*o.Replicas))
	}
	if len(o.MinContext) > 0 {
		opts = append(opts, kindred.WithMinContext(kindred.NewCausalContext(o.MinContext)))
	}
	if o.OnConflict != "" {
		mode, err := named(o.OnConflict, kindred.ReturnAll, kindred.PickLatest, kindred.FailOnConflict)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kindred.WithConflictMode(mode))
	}
	if o.OmitData {
		opts = append(opts, kindred.WithoutData())
	}
	if len(o.Fallback) > 0 {
		var levels []kindred.Consistency
		for _, name := range o.Fallback {
			level, err := levelNamed(name)
			if err != nil {
				return nil, err
			}
			levels = append(levels, level)
		}
		opts = append(opts, kindred.WithFallback(levels...))
	}
	return opts, nil
}

func (o *writeOptions) options() ([]kindred.WriteOption, error) {
	if o == nil {
		return nil, nil
	}
	var opts []kindred.WriteOption
	if o.Consistency != "" {
		level, err := levelNamed(o.Consistency)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kindred.WithConsistency(level))
	}
	if o.Replicas != nil {
		opts = append(opts, kindred.WithReplicas(*o.Replicas))
	}
	if o.Handoff != "" {
		handoff, err := named(o.Handoff, kindred.Strict, kindred.Sloppy)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kindred.WithHandoff(handoff))
	}
	if o.Durability != "" {
		durability, err := named(o.Durability, kindred.Buffered, kindred.SyncOne, kindred.SyncQuorum)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kindred.WithDurability(durability))
	}
	if len(o.RequestID) > 0 {
		id, err := kindred.ParseRequestID(o.RequestID)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kindred.WithRequestID(id))
	}
	return opts, nil
}

func (a *arguments) putOptions() ([]kindred.PutOption, error) {
	write, err := a.Write.options()
	if err != nil {
		return nil, err
	}
	var opts []kindred.PutOption
	for _, opt := range write {
		opts = append(opts, opt)
	}
	switch {
	case a.Context != nil:
		opts = append(opts, kindred.WithCausalContext(kindred.NewCausalContext(*a.Context)))
	case a.Blind != "":
		mode, err := blindNamed(a.Blind)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kindred.WithBlindWrite(mode))
	}
	switch {
	case a.TTLMs != nil:
		opts = append(opts, kindred.WithTTL(milliseconds(*a.TTLMs)))
	case a.ExpireTimeMs != nil:
		opts = append(opts, kindred.WithExpireTime(time.UnixMilli(int64(*a.ExpireTimeMs))))
	case a.KeepExpiry:
		opts = append(opts, kindred.WithKeptExpiry())
	}
	return opts, nil
}

func (a *arguments) deleteOptions() ([]kindred.DeleteOption, error) {
	write, err := a.Write.options()
	if err != nil {
		return nil, err
	}
	var opts []kindred.DeleteOption
	for _, opt := range write {
		opts = append(opts, opt)
	}
	switch {
	case a.Context != nil:
		opts = append(opts, kindred.WithCausalContext(kindred.NewCausalContext(*a.Context)))
	case a.Blind != "":
		mode, err := blindNamed(a.Blind)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kindred.WithBlindWrite(mode))
	}
	return opts, nil
}

func (a *arguments) touchOptions() ([]kindred.TouchOption, error) {
	write, err := a.Write.options()
	if err != nil {
		return nil, err
	}
	var opts []kindred.TouchOption
	for _, opt := range write {
		opts = append(opts, opt)
	}
	if a.Context != nil {
		opts = append(opts, kindred.WithCausalContext(kindred.NewCausalContext(*a.Context)))
	}
	switch {
	case a.TTLMs != nil:
		opts = append(opts, kindred.WithTTL(milliseconds(*a.TTLMs)))
	case a.ExpireTimeMs != nil:
		opts = append(opts, kindred.WithExpireTime(time.UnixMilli(int64(*a.ExpireTimeMs))))
	case a.Never:
		opts = append(opts, kindred.WithoutExpiry())
	}
	return opts, nil
}

func (a *arguments) putValue() kindred.Value {
	if a.Value == nil {
		return kindred.Value{}
	}
	return kindred.Value{Data: a.Value.Data, ContentType: a.Value.ContentType, Metadata: a.Value.Metadata}
}

func levelNamed(name string) (kindred.Consistency, error) {
	return named(name, kindred.BucketConsistency, kindred.Any, kindred.One, kindred.Two, kindred.Three, kindred.Quorum,
		kindred.All, kindred.LocalOne, kindred.LocalQuorum, kindred.EachQuorum)
}

func blindNamed(name string) (kindred.BlindWrite, error) {
	return named(name, kindred.Overwrite, kindred.AddSibling, kindred.RejectIfExists)
}

func named[T fmt.Stringer](name string, all ...T) (T, error) {
	for _, one := range all {
		if one.String() == name {
			return one, nil
		}
	}
	var none T
	return none, fmt.Errorf("no %T is named %q", none, name)
}

func milliseconds(n integer) time.Duration { return time.Duration(n) * time.Millisecond }
