package kindred

import kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"

// Consistency says how many of the N replicas of a key must answer before the client is answered. A read and a
// write overlap in at least one replica when their numbers add up to more than N, for example Quorum and Quorum.
type Consistency int32

const (
	// BucketConsistency is the default of the bucket, QUORUM unless configured otherwise.
	BucketConsistency = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_UNSPECIFIED)
	// Any is for writes only: one replica, or one hint stored durably for a replica that is away.
	Any = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_ANY)
	// One replica.
	One = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_ONE)
	// Two replicas.
	Two = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_TWO)
	// Three replicas.
	Three = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_THREE)
	// Quorum is a majority. Reads at this level and above repair what was behind before they answer, so that a
	// later one never goes back.
	Quorum = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_QUORUM)
	// All replicas.
	All = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_ALL)
	// LocalOne is one replica in the data centre of the coordinator.
	LocalOne = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_LOCAL_ONE)
	// LocalQuorum is a majority of the replicas in the data centre of the coordinator.
	LocalQuorum = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_LOCAL_QUORUM)
	// EachQuorum is a majority of the replicas in every data centre.
	EachQuorum = Consistency(kindredv1.ConsistencyLevel_CONSISTENCY_LEVEL_EACH_QUORUM)
)

// String returns the name of the level in the API, for example "QUORUM".
func (c Consistency) String() string {
	return enumName("CONSISTENCY_LEVEL_", kindredv1.ConsistencyLevel(c))
}

// ConflictMode says what a read does when the key holds several concurrent versions.
type ConflictMode int32

const (
	// ReturnAll answers every sibling, as a [*Conflict]. This is the default.
	ReturnAll = ConflictMode(kindredv1.ConflictMode_CONFLICT_MODE_RETURN_ALL)
	// PickLatest answers the one written last. The context still covers all, so a put with it supersedes also
	// those that were not shown.
	PickLatest = ConflictMode(kindredv1.ConflictMode_CONFLICT_MODE_PICK_LATEST)
	// FailOnConflict answers no value but [ErrConflict], with the context in [ErrorDetail.Context].
	FailOnConflict = ConflictMode(kindredv1.ConflictMode_CONFLICT_MODE_FAIL)
)

// String returns the name of the mode in the API, for example "PICK_LATEST".
func (m ConflictMode) String() string {
	return enumName("CONFLICT_MODE_", kindredv1.ConflictMode(m))
}

// BlindWrite says what a write without a context does to what the key already holds.
type BlindWrite int32

const (
	// Overwrite supersedes what the coordinating replica holds. This is the default of buckets.
	Overwrite = BlindWrite(kindredv1.BlindWrite_BLIND_WRITE_OVERWRITE)
	// AddSibling keeps everything and adds one version.
	AddSibling = BlindWrite(kindredv1.BlindWrite_BLIND_WRITE_ADD_SIBLING)
	// RejectIfExists refuses with [ErrKeyExists] if the coordinating replica holds a live value. Writes that
	// race may still both pass and become siblings.
	RejectIfExists = BlindWrite(kindredv1.BlindWrite_BLIND_WRITE_REJECT)
)

// String returns the name of the mode in the API, for example "OVERWRITE".
func (b BlindWrite) String() string {
	return enumName("BLIND_WRITE_", kindredv1.BlindWrite(b))
}

// Durability says what a replica must have done with a write before its acknowledgement counts.
type Durability int32

const (
	// Buffered survives the death of the process, not that of the machine.
	Buffered = Durability(kindredv1.Durability_DURABILITY_BUFFERED)
	// SyncOne means that at least one acknowledging replica has forced the write to its disk.
	SyncOne = Durability(kindredv1.Durability_DURABILITY_SYNC_ONE)
	// SyncQuorum means that every acknowledgement that counts came after an fsync. This is the default of buckets.
	SyncQuorum = Durability(kindredv1.Durability_DURABILITY_SYNC_QUORUM)
)

// String returns the name of the durability in the API, for example "SYNC_QUORUM".
func (d Durability) String() string {
	return enumName("DURABILITY_", kindredv1.Durability(d))
}

// Handoff says whether a write counts nodes that stand in for replicas that are away.
type Handoff int32

const (
	// Strict counts replicas only: what a reader at Quorum relies on. This is the default of buckets.
	Strict = Handoff(kindredv1.Handoff_HANDOFF_STRICT)
	// Sloppy counts a hint that another node has stored durably as the replica it was meant for.
	Sloppy = Handoff(kindredv1.Handoff_HANDOFF_SLOPPY)
)

// String returns the name of the mode in the API, for example "SLOPPY".
func (h Handoff) String() string {
	return enumName("HANDOFF_", kindredv1.Handoff(h))
}
