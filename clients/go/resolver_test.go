package kindred

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

func sibling(counter uint64, writtenAt int64, data string) Version {
	v := Version{Dot: Dot{1, 1, counter}, WrittenAt: time.UnixMicro(writtenAt), Value: Value{Data: []byte(data)}}
	v.Deleted = data == ""
	return v
}

func TestLastWriter(t *testing.T) {
	tests := []struct {
		name     string
		siblings []Version
		want     string
	}{
		{"later", []Version{sibling(1, 20, "a"), sibling(2, 10, "b")}, "a"},
		{"tie by dot", []Version{sibling(2, 10, "b"), sibling(1, 10, "a")}, "b"},
		{"deleted last", []Version{sibling(1, 10, "a"), sibling(2, 20, "")}, ""},
		{"deleted before", []Version{sibling(1, 10, ""), sibling(2, 20, "b")}, "b"},
	}
	for _, test := range tests {
		value, err := LastWriter(test.siblings)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if value != nil {
			got = string(value.Data)
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// TestUnionOfLaws checks over random sets what a resolver has to be.
func TestUnionOfLaws(t *testing.T) {
	resolve := UnionOf[string]()
	random := rand.New(rand.NewPCG(1, 2))
	set := func(counter uint64) Version {
		items := []string{}
		for _, item := range []string{"a", "b", "c", "d"} {
			if random.IntN(2) == 0 {
				items = append(items, item)
			}
		}
		random.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		data, _ := json.Marshal(items)
		return sibling(counter, random.Int64N(5), string(data))
	}
	merged := func(versions ...Version) string {
		value, err := resolve(versions)
		if err != nil {
			t.Fatal(err)
		}
		return string(value.Data)
	}
	for range 1000 {
		a, b, c := set(1), set(2), set(3)
		if merged(a, b) != merged(b, a) {
			t.Fatalf("not commutative: %s, %s", a.Value.Data, b.Value.Data)
		}
		left := merged(sibling(4, 9, merged(a, b)), c)
		right := merged(a, sibling(5, 9, merged(b, c)))
		if left != right || left != merged(a, b, c) {
			t.Fatalf("not associative: %s, %s, %s", a.Value.Data, b.Value.Data, c.Value.Data)
		}
		once := merged(a, b)
		if merged(sibling(6, 9, once), sibling(7, 9, once)) != once {
			t.Fatalf("not idempotent: %s", once)
		}
	}
}

func TestUnionOf(t *testing.T) {
	value, err := UnionOf[int]()([]Version{sibling(1, 20, "[3,1]"), sibling(2, 10, ""), sibling(3, 5, "[2,3]")})
	if err != nil || string(value.Data) != "[1,2,3]" {
		t.Errorf("got %v, %v", value, err)
	}
	value, err = UnionOf[int]()([]Version{sibling(1, 20, ""), sibling(2, 10, "")})
	if err != nil || value != nil {
		t.Errorf("of deletions only: got %v, %v", value, err)
	}
	if _, err = UnionOf[int]()([]Version{sibling(1, 20, "no json"), sibling(2, 10, "[1]")}); err == nil {
		t.Error("accepted what is no JSON")
	}
}

func TestClockCovers(t *testing.T) {
	clock := VectorClock{{Replica: 1, Epoch: 1, Counter: 5}, {Replica: 1, Epoch: 2, Counter: 1}}
	tests := []struct {
		dot  Dot
		want bool
	}{
		{Dot{1, 1, 5}, true}, {Dot{1, 1, 6}, false}, {Dot{1, 2, 1}, true}, {Dot{1, 3, 1}, false}, {Dot{2, 1, 1}, false},
	}
	for _, test := range tests {
		if got := clock.Covers(test.dot); got != test.want {
			t.Errorf("%v: got %v", test.dot, got)
		}
	}
}
