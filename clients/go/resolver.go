package kindred

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// A Resolver merges siblings into one value, or into nil for an absent key. It is given at least two versions, of
// which some may be deletions.
//
// The outcome must not depend on the order of the versions, nor on which of them were merged before: a resolver
// has to be commutative, associative and idempotent. Otherwise two clients that resolve the same race make a new one.
type Resolver func(siblings []Version) (*Value, error)

// LastWriter is a [Resolver] that takes the version written last, by the clocks of the replicas; ties are decided by
// dot. It loses what the others wrote. If the last writer deleted the key, it is absent.
func LastWriter(siblings []Version) (*Value, error) {
	last := slices.MaxFunc(siblings, compareWritten)
	if last.Deleted {
		return nil, nil
	}
	return &last.Value, nil
}

func compareWritten(a, b Version) int {
	return cmp.Or(a.WrittenAt.Compare(b.WrittenAt), a.Dot.Compare(b.Dot))
}

// UnionOf returns a [Resolver] for values that are JSON arrays used as sets: it takes every element that one of the
// siblings has, sorted. A deletion counts as empty, so an element that raced it survives; and so does one that a
// single sibling had removed.
func UnionOf[T cmp.Ordered]() Resolver {
	return MergeJSON(func(sets [][]T) ([]T, error) {
		union := slices.Concat(sets...)
		slices.Sort(union)
		return slices.Compact(union), nil
	})
}

// MergeJSON returns a [Resolver] that decodes the siblings' values from JSON, merges them, and encodes what comes out.
// Deletions are left out; if nothing else is left, the key is absent. Values come in the order in which they were
// written. Content type and metadata are those of the last one.
func MergeJSON[T any](merge func(values []T) (T, error)) Resolver {
	return func(siblings []Version) (*Value, error) {
		live := slices.DeleteFunc(slices.Clone(siblings), func(v Version) bool { return v.Deleted })
		if len(live) == 0 {
			return nil, nil
		}
		slices.SortFunc(live, compareWritten)
		values := make([]T, len(live))
		for i, version := range live {
			if err := json.Unmarshal(version.Value.Data, &values[i]); err != nil {
				return nil, fmt.Errorf("version %v: %w", version.Dot, err)
			}
		}
		merged, err := merge(values)
		if err != nil {
			return nil, err
		}
		value := live[len(live)-1].Value
		if value.Data, err = json.Marshal(merged); err != nil {
			return nil, err
		}
		return &value, nil
	}
}
