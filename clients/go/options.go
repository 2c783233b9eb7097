package kindred

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// A ReadOption says how one read is carried out. What is not said is as the client's [WithReadOptions] say, and
// then as the bucket says.
type ReadOption interface {
	applyToRead(*kindredv1.ReadOptions)
}

// A PutOption says how one put is carried out.
type PutOption interface {
	applyToPut(*kindredv1.PutRequest)
}

// A DeleteOption says how one delete is carried out.
type DeleteOption interface {
	applyToDelete(*kindredv1.DeleteRequest)
}

// A TouchOption says how one touch is carried out.
type TouchOption interface {
	applyToTouch(*kindredv1.TouchRequest)
}

// A WriteOption says how any write is carried out: it is a [PutOption], [DeleteOption] and [TouchOption] in one.
// What is not said is as the client's [WithWriteOptions] say, and then as the bucket says.
type WriteOption interface {
	PutOption
	DeleteOption
	TouchOption
	applyToWrite(*kindredv1.WriteOptions)
}

// A ReadWriteOption is good for reads and for writes.
type ReadWriteOption interface {
	ReadOption
	WriteOption
}

// A MutationOption says what a put or delete supersedes.
type MutationOption interface {
	PutOption
	DeleteOption
}

// A CausalOption is good for every write of one key.
type CausalOption interface {
	PutOption
	DeleteOption
	TouchOption
}

// An ExpiryOption says when a value expires.
type ExpiryOption interface {
	PutOption
	TouchOption
}

// WithConsistency sets how many replicas must answer, as a named level.
func WithConsistency(level Consistency) ReadWriteOption {
	return readWriteOption{
		readOption: func(o *kindredv1.ReadOptions) {
			o.Strength = &kindredv1.ReadOptions_Consistency{Consistency: kindredv1.ConsistencyLevel(level)}
		},
		writeOption: func(o *kindredv1.WriteOptions) {
			o.Strength = &kindredv1.WriteOptions_Consistency{Consistency: kindredv1.ConsistencyLevel(level)}
		},
	}
}

// WithReplicas sets how many replicas must answer, as a number from 1 to N.
func WithReplicas(n int) ReadWriteOption {
	return readWriteOption{
		readOption: func(o *kindredv1.ReadOptions) {
			o.Strength = &kindredv1.ReadOptions_Replicas{Replicas: uint32(n)}
		},
		writeOption: func(o *kindredv1.WriteOptions) {
			o.Strength = &kindredv1.WriteOptions_Replicas{Replicas: uint32(n)}
		},
	}
}

// WithMinContext asks for an answer that includes at least what c has seen, or [ErrContextNotReached]: with the
// context of your last write you read it back at any level. A [Session] does this by itself.
func WithMinContext(c CausalContext) ReadOption {
	return readOption(func(o *kindredv1.ReadOptions) { o.MinContext = c.token })
}

// WithConflictMode sets what a read does with several concurrent versions. Default: [ReturnAll].
func WithConflictMode(mode ConflictMode) ReadOption {
	return readOption(func(o *kindredv1.ReadOptions) { o.OnConflict = kindredv1.ConflictMode(mode) })
}

// WithoutData leaves [Value.Data] out of the answer: versions, context and report only.
func WithoutData() ReadOption {
	return readOption(func(o *kindredv1.ReadOptions) { o.OmitData = true })
}

// WithFallback names weaker levels that are accepted, in this order, if the one requested cannot be met in time.
// [ReadReport.Achieved] says which it was.
func WithFallback(levels ...Consistency) ReadOption {
	return readOption(func(o *kindredv1.ReadOptions) {
		o.Fallback = make([]kindredv1.ConsistencyLevel, len(levels))
		for i, level := range levels {
			o.Fallback[i] = kindredv1.ConsistencyLevel(level)
		}
	})
}

// WithHandoff sets whether nodes that stand in for absent replicas count.
func WithHandoff(handoff Handoff) WriteOption {
	return writeOption(func(o *kindredv1.WriteOptions) { o.Handoff = kindredv1.Handoff(handoff) })
}

// WithDurability sets when an acknowledgement counts.
func WithDurability(durability Durability) WriteOption {
	return writeOption(func(o *kindredv1.WriteOptions) { o.Durability = kindredv1.Durability(durability) })
}

// WithRequestID names the write, so that it may be sent again later, or asked for with [Client.WriteOutcome], even
// by another process. By default each write gets a random id that serves the client's own retries.
func WithRequestID(id RequestID) WriteOption {
	return writeOption(func(o *kindredv1.WriteOptions) { o.RequestId = id[:] })
}

// WithCausalContext makes the write supersede exactly what c has seen; a touch changes only that.
func WithCausalContext(c CausalContext) CausalOption {
	return causalOption{c}
}

// WithBlindWrite says what to do with what is stored, in a write without a context.
func WithBlindWrite(mode BlindWrite) MutationOption {
	return blindOption(mode)
}

// WithTTL lets the value expire this long after the write, by the coordinating node's clock.
func WithTTL(ttl time.Duration) ExpiryOption {
	return ttlOption(ttl)
}

// WithExpireTime lets the value expire at a time. One already past makes the key read as absent at once.
func WithExpireTime(t time.Time) ExpiryOption {
	return expireTimeOption(t)
}

// WithKeptExpiry lets the value expire when the stored one does that this put supersedes; of several, the latest.
func WithKeptExpiry() PutOption {
	return keepExpiryOption{}
}

// WithoutExpiry makes a touch remove the expiry.
func WithoutExpiry() TouchOption {
	return neverOption{}
}

type readOption func(*kindredv1.ReadOptions)

func (f readOption) applyToRead(o *kindredv1.ReadOptions) { f(o) }

type writeOption func(*kindredv1.WriteOptions)

func (f writeOption) applyToWrite(o *kindredv1.WriteOptions)   { f(o) }
func (f writeOption) applyToPut(r *kindredv1.PutRequest)       { f(r.Options) }
func (f writeOption) applyToDelete(r *kindredv1.DeleteRequest) { f(r.Options) }
func (f writeOption) applyToTouch(r *kindredv1.TouchRequest)   { f(r.Options) }

type readWriteOption struct {
	readOption
	writeOption
}

type causalOption struct{ context CausalContext }

func (o causalOption) applyToPut(r *kindredv1.PutRequest) {
	r.Causality = &kindredv1.PutRequest_Context{Context: o.context.token}
}

func (o causalOption) applyToDelete(r *kindredv1.DeleteRequest) {
	r.Causality = &kindredv1.DeleteRequest_Context{Context: o.context.token}
}

func (o causalOption) applyToTouch(r *kindredv1.TouchRequest) { r.Context = o.context.token }

type blindOption BlindWrite

func (o blindOption) applyToPut(r *kindredv1.PutRequest) {
	r.Causality = &kindredv1.PutRequest_Blind{Blind: kindredv1.BlindWrite(o)}
}

func (o blindOption) applyToDelete(r *kindredv1.DeleteRequest) {
	r.Causality = &kindredv1.DeleteRequest_Blind{Blind: kindredv1.BlindWrite(o)}
}

type ttlOption time.Duration

func (o ttlOption) applyToPut(r *kindredv1.PutRequest) {
	r.Expiry = &kindredv1.PutRequest_Ttl{Ttl: durationpb.New(time.Duration(o))}
}

func (o ttlOption) applyToTouch(r *kindredv1.TouchRequest) {
	r.Expiry = &kindredv1.TouchRequest_Ttl{Ttl: durationpb.New(time.Duration(o))}
}

type expireTimeOption time.Time

func (o expireTimeOption) applyToPut(r *kindredv1.PutRequest) {
	r.Expiry = &kindredv1.PutRequest_ExpireTime{ExpireTime: timestamppb.New(time.Time(o))}
}

func (o expireTimeOption) applyToTouch(r *kindredv1.TouchRequest) {
	r.Expiry = &kindredv1.TouchRequest_ExpireTime{ExpireTime: timestamppb.New(time.Time(o))}
}

type keepExpiryOption struct{}

func (keepExpiryOption) applyToPut(r *kindredv1.PutRequest) {
	r.Expiry = &kindredv1.PutRequest_KeepExpiry{KeepExpiry: true}
}

type neverOption struct{}

func (neverOption) applyToTouch(r *kindredv1.TouchRequest) {
	r.Expiry = &kindredv1.TouchRequest_Never{Never: true}
}
