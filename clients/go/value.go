package kindred

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// A Key names one record: a key inside a bucket.
type Key struct {
	// Bucket is the name of the bucket; empty means "default".
	Bucket string
	// Key has 1 to 1,024 bytes, any content; it need not be UTF-8.
	Key string
}

func (k Key) proto() *kindredv1.Key {
	return &kindredv1.Key{Bucket: k.Bucket, Key: []byte(k.Key)}
}

// bucketName is Bucket with its default.
func (k Key) bucketName() string {
	if k.Bucket == "" {
		return "default"
	}
	return k.Bucket
}

// A Value is what a client stores under a key. The zero Value stores zero bytes.
//
// The client keeps no reference to Data and Metadata once a call has returned, and never changes them. What
// an answer holds belongs to the caller.
type Value struct {
	// Data is the content: any bytes, up to 1 MiB unless the bucket allows less.
	Data []byte
	// ContentType says what the content is, for example "application/json". The store never interprets it.
	ContentType string
	// Metadata are small facts about the value, at most 4 KiB with ContentType. The store never interprets them.
	Metadata map[string]string
}

func (v Value) proto() *kindredv1.Value {
	return &kindredv1.Value{Data: v.Data, ContentType: v.ContentType, Metadata: v.Metadata}
}

func valueFromProto(v *kindredv1.Value) Value {
	return Value{Data: v.GetData(), ContentType: v.GetContentType(), Metadata: v.GetMetadata()}
}

// invalidUTF8 names the field that protobuf would refuse to encode, or is empty. All other limits are the
// server's to check.
func (v Value) invalidUTF8() string {
	if !utf8.ValidString(v.ContentType) {
		return "value.content_type"
	}
	for name, value := range v.Metadata {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return "value.metadata"
		}
	}
	return ""
}

// A Dot names one write. It is given by the replica that coordinated the write, and never used again.
// Dots are comparable.
type Dot struct {
	// Replica is the random id of the replica's data store.
	Replica uint64
	// Epoch is renewed whenever the replica cannot prove that it remembers what it wrote under this key.
	Epoch uint32
	// Counter counts the writes of one key, replica and epoch without gaps, from 1.
	Counter uint64
}

// Compare orders dots by replica, epoch and counter. The order means nothing in time; it is the same everywhere.
func (d Dot) Compare(other Dot) int {
	switch {
	case d == other:
		return 0
	case d.Replica != other.Replica:
		return sign(d.Replica < other.Replica)
	case d.Epoch != other.Epoch:
		return sign(d.Epoch < other.Epoch)
	default:
		return sign(d.Counter < other.Counter)
	}
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// String returns the dot as replica:epoch:counter.
func (d Dot) String() string {
	return fmt.Sprintf("%d:%d:%d", d.Replica, d.Epoch, d.Counter)
}

func dotFromProto(d *kindredv1.Dot) Dot {
	return Dot{Replica: d.GetReplica(), Epoch: d.GetEpoch(), Counter: d.GetCounter()}
}

// A VectorClock says which writes somebody had seen: an entry (replica, epoch, n) stands for the counters 1
// to n. Entries are sorted, at most one for each replica and epoch.
type VectorClock []Dot

// Covers reports whether the clock includes the write that dot names. Version x came before version y if and
// only if y.Clock covers x.Dot; if neither clock covers the other's dot, the writes raced.
func (c VectorClock) Covers(dot Dot) bool {
	for _, entry := range c {
		if entry.Replica == dot.Replica && entry.Epoch == dot.Epoch {
			return dot.Counter <= entry.Counter
		}
	}
	return false
}

// A Version is one of the concurrent versions ("siblings") of a key.
type Version struct {
	// Value is what was put; the zero Value if Deleted.
	Value Value
	// Deleted is true for a delete, or an expired value, that raced the other versions.
	Deleted bool
	// Dot names the write that made this version.
	Dot Dot
	// Clock is what the writer had seen, without this write.
	Clock VectorClock
	// WrittenAt is when the version was made, by the hybrid logical clock of the coordinating replica. It never
	// orders versions of which one writer had seen the other.
	WrittenAt time.Time
	// ExpireTime is when the version stops being served; zero: never.
	ExpireTime time.Time
}

func versionFromProto(v *kindredv1.Version) Version {
	version := Version{Dot: dotFromProto(v.GetDot()), WrittenAt: v.GetWrittenAt().AsTime()}
	if value := v.GetValue(); value != nil {
		version.Value = valueFromProto(value)
	} else {
		version.Deleted = true
	}
	if entries := v.GetClock().GetEntries(); len(entries) > 0 {
		version.Clock = make(VectorClock, len(entries))
		for i, entry := range entries {
			version.Clock[i] = dotFromProto(entry)
		}
	}
	if v.GetExpireTime() != nil {
		version.ExpireTime = v.GetExpireTime().AsTime()
	}
	return version
}

// A CausalContext is what a client has seen of one key, as an opaque token from an answer. Given to a write it
// supersedes exactly that; given to a read with [WithMinContext] the answer includes at least that. It is valid
// for its own key of its own cluster only. The zero CausalContext is no context.
//
// It may be stored and passed on: [CausalContext.Bytes] and [NewCausalContext], or as text in JSON and headers.
type CausalContext struct {
	token []byte
}

// NewCausalContext returns the context whose [CausalContext.Bytes] were token. Whether it is a valid one, the
// server finds out.
func NewCausalContext(token []byte) CausalContext {
	return CausalContext{token: bytes.Clone(token)}
}

// Bytes returns a copy of the token, at most 4 KiB.
func (c CausalContext) Bytes() []byte { return bytes.Clone(c.token) }

// IsZero reports whether c is no context at all.
func (c CausalContext) IsZero() bool { return len(c.token) == 0 }

// String returns the token in base64.
func (c CausalContext) String() string { return base64.StdEncoding.EncodeToString(c.token) }

// MarshalText implements [encoding.TextMarshaler]: base64.
func (c CausalContext) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, c.token), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *CausalContext) UnmarshalText(text []byte) error {
	token, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("kindred: causal context: %w", err)
	}
	c.token = token
	return nil
}

// A RequestID names one logical write, through however many attempts: with the same id it counts once. The
// client gives every write a random one; see [WithRequestID].
type RequestID [16]byte

// NewRequestID returns a random id.
func NewRequestID() RequestID {
	var id RequestID
	rand.Read(id[:]) // Never fails: crypto/rand ends the program first.
	return id
}

// ParseRequestID returns the id that has these bytes, of which there must be exactly 16.
func ParseRequestID(b []byte) (RequestID, error) {
	var id RequestID
	if len(b) != len(id) {
		message := fmt.Sprintf("must have %d bytes, not %d", len(id), len(b))
		return id, invalidArgument(operation{name: "request id", write: true}, "options.request_id", message)
	}
	return RequestID(b), nil
}

// item returns the id of one item of the batch that has this one: the index, exclusive-or the last four bytes. The
// server makes it likewise, so a batch that is given its id again counts once, item by item, even if sent in parts.
func (id RequestID) item(index int) RequestID {
	last := id[len(id)-4:]
	binary.BigEndian.PutUint32(last, binary.BigEndian.Uint32(last)^uint32(index))
	return id
}

// String returns the id in hexadecimal.
func (id RequestID) String() string { return hex.EncodeToString(id[:]) }
