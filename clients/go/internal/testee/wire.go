package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

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

func decimal[T int64 | uint64](n T) string { return fmt.Sprint(n) }

func pointer[T any](v T) *T { return &v }
