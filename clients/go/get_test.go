package kindred

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

func TestGetResults(t *testing.T) {
	written := time.Date(2026, 11, 23, 21, 1, 29, 188_000_000, time.UTC)
	value := &kindredv1.Version{
		Body: &kindredv1.Version_Value{Value: &kindredv1.Value{
			Data: []byte("milk"), ContentType: "text/plain", Metadata: map[string]string{"by": "Ann"},
		}},
		Dot:        &kindredv1.Dot{Replica: 7, Epoch: 2, Counter: 3},
		Clock:      &kindredv1.VectorClock{Entries: []*kindredv1.Dot{{Replica: 7, Epoch: 2, Counter: 2}}},
		WrittenAt:  timestamppb.New(written),
		ExpireTime: timestamppb.New(written.Add(time.Hour)),
	}
	deletion := &kindredv1.Version{
		Body:      &kindredv1.Version_Deleted{Deleted: &kindredv1.Deletion{}},
		Dot:       &kindredv1.Dot{Replica: 8, Epoch: 1, Counter: 1},
		WrittenAt: timestamppb.New(written),
	}
	report := &kindredv1.ReadReport{
		Achieved: kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_QUORUM, ReplicasAsked: 3, ReplicasAnswered: 2,
		ReplicasAgreed: 1, RepairStarted: true, Coordinator: "n1", TopologyEpoch: 5,
	}
	wantReport := ReadReport{
		Achieved: Quorum, ReplicasAsked: 3, ReplicasAnswered: 2, ReplicasAgreed: 1, RepairStarted: true,
		Coordinator: "n1", TopologyEpoch: 5,
	}
	wantContext := NewCausalContext([]byte("seen"))
	wantValue := Version{
		Value:      Value{Data: []byte("milk"), ContentType: "text/plain", Metadata: map[string]string{"by": "Ann"}},
		Dot:        Dot{7, 2, 3},
		Clock:      VectorClock{{7, 2, 2}},
		WrittenAt:  written,
		ExpireTime: written.Add(time.Hour),
	}
	wantDeletion := Version{Deleted: true, Dot: Dot{8, 1, 1}, WrittenAt: written}

	tests := []struct {
		state    kindredv1.GetResponse_State
		versions []*kindredv1.Version
		want     GetResult
	}{
		{
			kindredv1.GetResponse_STATE_FOUND, []*kindredv1.Version{value},
			&Found{Version: wantValue, Context: wantContext, Report: wantReport},
		},
		{
			kindredv1.GetResponse_STATE_CONFLICT, []*kindredv1.Version{value, deletion},
			&Conflict{Versions: []Version{wantValue, wantDeletion}, Context: wantContext, Report: wantReport},
		},
		{kindredv1.GetResponse_STATE_ABSENT, nil, &Absent{Context: wantContext, Report: wantReport}},
	}
	for _, test := range tests {
		response := &kindredv1.GetResponse{State: test.state, Versions: test.versions, Context: []byte("seen"), Report: report}
		got := getResultFromProto(response)
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: got %+v, want %+v", test.state, got, test.want)
		}
		if !reflect.DeepEqual(got.CausalContext(), wantContext) || got.ReadReport() != wantReport {
			t.Errorf("%v: the methods tell something else than the fields", test.state)
		}
	}
}

func TestOptionsReachTheServer(t *testing.T) {
	n := startNode(t, func(*fakeNode) {})
	c := dialNodes(t, []*fakeNode{n},
		WithReadOptions(WithConsistency(One)), WithWriteOptions(WithDurability(Buffered)))
	id := NewRequestID()
	causal := NewCausalContext([]byte("seen"))
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

	if _, err := c.Get(t.Context(), "b", "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "b", "k", WithReplicas(2), WithMinContext(causal), WithConflictMode(PickLatest),
		WithoutData(), WithFallback(Two, One)); err != nil {
		t.Fatal(err)
	}
	key := &kindredv1.Key{Bucket: "b", Key: []byte("k")}
	expectRequests(t, requests[*kindredv1.GetRequest](n),
		&kindredv1.GetRequest{Key: key, Options: &kindredv1.ReadOptions{
			Strength: &kindredv1.ReadOptions_Consistency{Consistency: kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_ONE},
		}},
		&kindredv1.GetRequest{Key: key, Options: &kindredv1.ReadOptions{
			Strength:   &kindredv1.ReadOptions_Replicas{Replicas: 2},
			MinContext: []byte("seen"),
			OnConflict: kindredv1.ConflictMode_CONFLICT_MODE_PICK_LATEST,
			OmitData:   true,
			Fallback: []kindredv1.ConsistencyLevel{
				kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_TWO, kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_ONE,
			},
		}})

	value := Value{Data: []byte("v"), ContentType: "t", Metadata: map[string]string{"a": "b"}}
	if _, err := c.Put(t.Context(), "b", "k", value, WithCausalContext(causal), WithTTL(time.Minute), WithRequestID(id)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(t.Context(), "b", "k", value, WithBlindWrite(AddSibling), WithExpireTime(at), WithRequestID(id),
		WithConsistency(All), WithHandoff(Sloppy), WithDurability(SyncOne)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(t.Context(), "b", "k", value, WithKeptExpiry(), WithRequestID(id)); err != nil {
		t.Fatal(err)
	}
	wantValue := &kindredv1.Value{Data: []byte("v"), ContentType: "t", Metadata: map[string]string{"a": "b"}}
	defaults := &kindredv1.WriteOptions{Durability: kindredv1.Durability_DURABILITY_BUFFERED, RequestId: id[:]}
	expectRequests(t, requests[*kindredv1.PutRequest](n),
		&kindredv1.PutRequest{
			Key: key, Value: wantValue, Options: defaults,
			Causality: &kindredv1.PutRequest_Context{Context: []byte("seen")},
			Expiry:    &kindredv1.PutRequest_Ttl{Ttl: durationpb.New(time.Minute)},
		},
		&kindredv1.PutRequest{
			Key: key, Value: wantValue,
			Causality: &kindredv1.PutRequest_Blind{Blind: kindredv1.BlindWrite_BLIND_WRITE_ADD_SIBLING},
			Expiry:    &kindredv1.PutRequest_ExpireTime{ExpireTime: timestamppb.New(at)},
			Options: &kindredv1.WriteOptions{
				Strength:   &kindredv1.WriteOptions_Consistency{Consistency: kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_ALL},
				Handoff:    kindredv1.Handoff_HANDOFF_SLOPPY,
				Durability: kindredv1.Durability_DURABILITY_SYNC_ONE,
				RequestId:  id[:],
			},
		},
		&kindredv1.PutRequest{
			Key: key, Value: wantValue, Options: defaults,
			Expiry: &kindredv1.PutRequest_KeepExpiry{KeepExpiry: true},
		})

	if _, err := c.Delete(t.Context(), "b", "k", WithCausalContext(causal), WithRequestID(id)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Delete(t.Context(), "b", "k", WithBlindWrite(Overwrite), WithRequestID(id)); err != nil {
		t.Fatal(err)
	}
	expectRequests(t, requests[*kindredv1.DeleteRequest](n),
		&kindredv1.DeleteRequest{
			Key: key, Options: defaults, Causality: &kindredv1.DeleteRequest_Context{Context: []byte("seen")},
		},
		&kindredv1.DeleteRequest{
			Key: key, Options: defaults,
			Causality: &kindredv1.DeleteRequest_Blind{Blind: kindredv1.BlindWrite_BLIND_WRITE_OVERWRITE},
		})
}

func expectRequests[T proto.Message](t *testing.T, got []T, want ...T) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d requests, want %d", len(got), len(want))
	}
	for i := range want {
		if !proto.Equal(got[i], want[i]) {
			t.Errorf("request %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

func TestEveryWriteHasARequestIDOfItsOwn(t *testing.T) {
	n := startNode(t, func(*fakeNode) {})
	c := dialNodes(t, []*fakeNode{n})
	for range 3 {
		if _, err := c.Put(t.Context(), "", "k", Value{}); err != nil {
			t.Fatal(err)
		}
	}
	ids := make(map[string]bool)
	for _, r := range requests[*kindredv1.PutRequest](n) {
		id := r.GetOptions().GetRequestId()
		if len(id) != 16 {
			t.Errorf("request id %x has not 16 bytes", id)
		}
		ids[string(id)] = true
	}
	if len(ids) != 3 {
		t.Errorf("3 writes had %d ids", len(ids))
	}
}

func TestWhatCannotBeEncodedIsRefused(t *testing.T) {
	c, err := NewClient([]string{"127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tests := []struct {
		field  string
		bucket string
		value  Value
	}{
		{"key.bucket", "\xff", Value{}},
		{"value.content_type", "", Value{ContentType: "\xff"}},
		{"value.metadata", "", Value{Metadata: map[string]string{"\xff": ""}}},
		{"value.metadata", "", Value{Metadata: map[string]string{"": "\xff"}}},
	}
	for _, test := range tests {
		_, err := c.Put(t.Context(), test.bucket, "k", test.value)
		e := asError(t, err)
		if e.Code != codes.InvalidArgument || e.Outcome != OutcomeNotApplied || e.Detail.Field != test.field || !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%s: got %+v", test.field, e)
		}
	}
	if _, err := ParseRequestID(make([]byte, 15)); !errors.Is(err, ErrInvalidRequest) {
		t.Errorf("a request id of 15 bytes: got %v", err)
	}
}
