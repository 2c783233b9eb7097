package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	kindred "github.com/kindred-db/kindred/clients/go"
)

// A request is any line of standard input: the fields of all operations together.
type request struct {
	ID            json.Number `json:"id"`
	Op            string      `json:"op"`
	Of            json.Number `json:"of"`
	CancelAfterMs *int        `json:"cancelAfterMs"`

	Client   string `json:"client"`
	Session  string `json:"session"`
	Pipeline string `json:"pipeline"`

	Endpoints     []string `json:"endpoints"`
	TimeoutMs     int      `json:"timeoutMs"`
	Attempts      int      `json:"attempts"`
	DirectRouting bool     `json:"directRouting"`
	InFlight      int      `json:"inFlight"`

	arguments
	Keys       []arguments `json:"keys"`
	Mutations  []oneOf     `json:"mutations"`
	Operations []oneOf     `json:"operations"`
	RequestID  []byte      `json:"requestId"`
	Fn         *function   `json:"fn"`
	Resolver   string      `json:"resolver"`
}

// arguments are those of one operation on one key.
type arguments struct {
	Bucket       string        `json:"bucket"`
	Key          []byte        `json:"key"`
	Read         *readOptions  `json:"read"`
	Write        *writeOptions `json:"write"`
	Value        *value        `json:"value"`
	Context      *[]byte       `json:"context"`
	Blind        string        `json:"blind"`
	TTLMs        *integer      `json:"ttlMs"`
	ExpireTimeMs *integer      `json:"expireTimeMs"`
	KeepExpiry   bool          `json:"keepExpiry"`
	Never        bool          `json:"never"`
}

type oneOf struct {
	Get    *arguments `json:"get"`
	Put    *arguments `json:"put"`
	Delete *arguments `json:"delete"`
	Touch  *arguments `json:"touch"`
}

type function struct {
	Append *string `json:"append"`
	Add    *string `json:"add"`
	Keep   bool    `json:"keep"`
}

type readOptions struct {
	Consistency string   `json:"consistency"`
	Replicas    *int     `json:"replicas"`
	MinContext  []byte   `json:"minContext"`
	OnConflict  string   `json:"onConflict"`
	OmitData    bool     `json:"omitData"`
	Fallback    []string `json:"fallback"`
}

type writeOptions struct {
	Consistency string `json:"consistency"`
	Replicas    *int   `json:"replicas"`
	Handoff     string `json:"handoff"`
	Durability  string `json:"durability"`
	RequestID   []byte `json:"requestId"`
}

type value struct {
	Data        []byte            `json:"data"`
	ContentType string            `json:"contentType"`
	Metadata    map[string]string `json:"metadata"`
}

// An integer is a number, or a decimal string.
type integer int64

func (i *integer) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	*i = integer(n)
	return err
}

type answer struct {
	ID    json.Number `json:"id"`
	OK    any         `json:"ok,omitempty"`
	Error *failure    `json:"error,omitempty"`
}

type object = map[string]any

type failure struct {
	Code         string          `json:"code"`
	Message      string          `json:"message"`
	Kind         string          `json:"kind,omitempty"`
	Reason       string          `json:"reason"`
	Outcome      string          `json:"outcome"`
	SafeToRetry  bool            `json:"safeToRetry"`
	Attempts     int             `json:"attempts"`
	HasDetail    bool            `json:"hasDetail"`
	Required     int             `json:"required"`
	Alive        int             `json:"alive"`
	Answered     int             `json:"answered"`
	Failures     []replicaFailed `json:"failures"`
	Field        string          `json:"field"`
	Context      *string         `json:"context,omitempty"`
	RetryAfterMs *int64          `json:"retryAfterMs,omitempty"`
	Versions     []object        `json:"versions,omitempty"`
}

type replicaFailed struct {
	NodeID string `json:"nodeId"`
	Reason string `json:"reason"`
}

func unimplemented(message string) *failure {
	return &failure{Code: "UNIMPLEMENTED", Message: message, Outcome: "NONE", Failures: []replicaFailed{}}
}

// failureOf renders an error as the runner wants it.
func failureOf(err error) *failure {
	var conflict *kindred.ConflictError
	if errors.As(err, &conflict) {
		f := &failure{
			Code: "FAILED_PRECONDITION", Message: err.Error(), Kind: "conflict", Reason: "CONFLICT",
			Outcome: "NOT_APPLIED", SafeToRetry: true, Failures: []replicaFailed{},
			Context: pointer(conflict.Context.String()), Versions: versionsOf(conflict.Versions),
		}
		if conflict.Applied {
			f.Outcome, f.SafeToRetry = "NONE", false
		}
		return f
	}
	var e *kindred.Error
	if !errors.As(err, &e) {
		return &failure{Code: "UNKNOWN", Message: err.Error(), Outcome: "NONE", Failures: []replicaFailed{}}
	}
	f := &failure{
		Code: codeName(e), Message: e.Message, Reason: reasonName(e.Reason), Outcome: e.Outcome.String(),
		SafeToRetry: e.SafeToRetry, Attempts: e.Attempts, HasDetail: e.Detail != nil, Failures: []replicaFailed{},
	}
	if d := e.Detail; d != nil {
		f.Required, f.Alive, f.Answered, f.Field = d.Required, d.Alive, d.Answered, d.Field
		if !d.Context.IsZero() {
			f.Context = pointer(d.Context.String())
		}
		if d.RetryAfter > 0 {
			f.RetryAfterMs = pointer(d.RetryAfter.Milliseconds())
		}
		for _, replica := range d.Failures {
			f.Failures = append(f.Failures, replicaFailed{replica.NodeID, replica.Reason.String()})
		}
	}
	return f
}

// reasonName is empty where there is no reason.
func reasonName(r kindred.Reason) string {
	if r == kindred.ReasonUnspecified {
		return ""
	}
	return r.String()
}

// codeName spells a gRPC code as the specification does: grpc-go says "DeadlineExceeded".
func codeName(e *kindred.Error) string {
	var b strings.Builder
	for i, r := range e.Code.String() {
		if i > 0 && 'A' <= r && r <= 'Z' && e.Code.String() != "OK" {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	name := strings.ToUpper(b.String())
	if name == "CANCELED" {
		return "CANCELLED"
	}
	return name
}

func getResultOf(result kindred.GetResult) object {
	var state string
	var versions []kindred.Version
	switch r := result.(type) {
	case *kindred.Found:
		state, versions = "FOUND", []kindred.Version{r.Version}
	case *kindred.Conflict:
		state, versions = "CONFLICT", r.Versions
	case *kindred.Absent:
		state = "ABSENT"
	}
	report := result.ReadReport()
	return object{
		"state":    state,
		"versions": versionsOf(versions),
		"context":  result.CausalContext().String(),
		"report": object{
			"achieved":         report.Achieved.String(),
			"replicasAsked":    report.ReplicasAsked,
			"replicasAnswered": report.ReplicasAnswered,
			"replicasAgreed":   report.ReplicasAgreed,
			"repairStarted":    report.RepairStarted,
			"coordinator":      report.Coordinator,
			"topologyEpoch":    decimal(report.TopologyEpoch),
		},
	}
}

func versionsOf(versions []kindred.Version) []object {
	objects := make([]object, len(versions))
	for i, v := range versions {
		clock := make([]object, len(v.Clock))
		for j, entry := range v.Clock {
			clock[j] = dotOf(entry)
		}
		o := object{"dot": dotOf(v.Dot), "clock": clock, "writtenAtMs": decimal(v.WrittenAt.UnixMilli())}
		if v.Deleted {
			o["deleted"] = true
		} else {
			for name, field := range valueOf(v.Value) {
				o[name] = field
			}
		}
		if !v.ExpireTime.IsZero() {
			o["expireTimeMs"] = decimal(v.ExpireTime.UnixMilli())
		}
		objects[i] = o
	}
	return objects
}

func valueOf(v kindred.Value) object {
	metadata := v.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	data := base64.StdEncoding.EncodeToString(v.Data)
	return object{"data": data, "contentType": v.ContentType, "metadata": metadata}
}

func dotOf(d kindred.Dot) object {
	return object{"replica": decimal(d.Replica), "epoch": d.Epoch, "counter": decimal(d.Counter)}
}

func writeResultOf(r *kindred.WriteResult) object {
	return object{
		"context":      r.Context.String(),
		"dot":          dotOf(r.Dot),
		"versionsHeld": r.VersionsHeld,
		"report":       writeReportOf(r.Report),
	}
}

func touchResultOf(r *kindred.TouchResult) object {
	o := object{"applied": r.Applied, "context": r.Context.String()}
	if r.Applied {
		o["report"] = writeReportOf(r.Report)
	}
	return o
}

func writeReportOf(r kindred.WriteReport) object {
	return object{
		"achieved":      r.Achieved.String(),
		"acked":         r.Acked,
		"hinted":        r.Hinted,
		"synced":        r.Synced,
		"replayed":      r.Replayed,
		"coordinator":   r.Coordinator,
		"topologyEpoch": decimal(r.TopologyEpoch),
	}
}

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

func decimal[T int64 | uint64](n T) string { return fmt.Sprint(n) }

func milliseconds(n integer) time.Duration { return time.Duration(n) * time.Millisecond }

func pointer[T any](v T) *T { return &v }
