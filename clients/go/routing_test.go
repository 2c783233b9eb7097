package kindred

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

// TestTokens holds the hash to the vectors that all clients and the server share.
func TestTokens(t *testing.T) {
	text, err := os.ReadFile("../../test/golden/key-tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Partitions uint64
		Vectors    []struct {
			Bucket, Key, Token string
			Partition          uint64
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Vectors) < 1000 || golden.Partitions != 4096 {
		t.Fatalf("%d vectors over %d partitions", len(golden.Vectors), golden.Partitions)
	}
	for _, v := range golden.Vectors {
		key, err := base64.StdEncoding.DecodeString(v.Key)
		if err != nil {
			t.Fatal(err)
		}
		token := Token(v.Bucket, string(key))
		if got := fmt.Sprintf("%016x", token); got != v.Token {
			t.Errorf("%s %s: token %s, want %s", v.Bucket, v.Key, got, v.Token)
		}
		if got := token >> (64 - 12); got != v.Partition {
			t.Errorf("%s %s: partition %d, want %d", v.Bucket, v.Key, got, v.Partition)
		}
	}
}

// threeNodes are nodes of which every one says that the keys of partition p have the homes p, p+1 and so on.
func threeNodes(t *testing.T, replication int) []*fakeNode {
	var nodes []*fakeNode
	onPlacement := func(*kindredv1.GetPlacementRequest) (*kindredv1.GetPlacementResponse, error) {
		r := &kindredv1.GetPlacementResponse{TopologyEpoch: 1, Hash: "xxh64", PartitionBits: 2, Replication: uint32(replication)}
		for i, n := range nodes {
			r.Nodes = append(r.Nodes, &kindredv1.PlacementNode{Id: fmt.Sprint("n", i), Address: n.address})
		}
		for p := range 4 {
			for home := range replication {
				r.Homes = append(r.Homes, uint32((p+home)%3))
			}
		}
		return r, nil
	}
	for range 3 {
		nodes = append(nodes, startNode(t, func(n *fakeNode) { n.onPlacement = onPlacement }))
	}
	return nodes
}

func TestDirectRouting(t *testing.T) {
	nodes := threeNodes(t, 2)
	// Only one endpoint is given: the client finds the others.
	c := dialNodes(t, nodes[:1], WithDirectRouting())
	keys := make([][]string, 3)
	for i := range 200 {
		key := fmt.Sprint(i)
		home := int(Token("", key)>>62) % 3
		ids, err := c.Homes(t.Context(), "", key)
		if want := []string{fmt.Sprint("n", home), fmt.Sprint("n", (home+1)%3)}; err != nil || !slices.Equal(ids, want) {
			t.Fatalf("homes of %q: got %v, %v, want %v", key, ids, err, want)
		}
		keys[home] = append(keys[home], key)
	}
	for home := range keys {
		before := len(requests[*kindredv1.GetRequest](nodes[home]))
		for _, key := range keys[home] {
			if _, err := c.Get(t.Context(), "", key); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(requests[*kindredv1.GetRequest](nodes[home])) - before; got != len(keys[home]) {
			t.Errorf("node %d got %d of the %d reads of its keys", home, got, len(keys[home]))
		}
	}

	nodes[1].server.Stop()
	waitUntil(t, "the break is noticed", func() bool { return !c.routing.endpoints[nodes[1].address].usable() })
	before := len(requests[*kindredv1.GetRequest](nodes[2]))
	for _, key := range keys[1] {
		if _, err := c.Get(t.Context(), "", key); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(requests[*kindredv1.GetRequest](nodes[2])) - before; got != len(keys[1]) {
		t.Errorf("the second home got %d of %d reads", got, len(keys[1]))
	}
}

func TestPlacementIsAskedForAgainAfterAChange(t *testing.T) {
	epoch := uint64(1)
	n := startNode(t, func(n *fakeNode) {
		n.onPlacement = func(*kindredv1.GetPlacementRequest) (*kindredv1.GetPlacementResponse, error) {
			answered := uint64(len(requests[*kindredv1.GetPlacementRequest](n)))
			return &kindredv1.GetPlacementResponse{
				TopologyEpoch: answered, Hash: "xxh64", Replication: 1, Homes: []uint32{0},
				Nodes: []*kindredv1.PlacementNode{{Id: "n1", Address: n.address}},
			}, nil
		}
	})
	c := dialNodes(t, []*fakeNode{n}, WithDirectRouting())
	if ids, err := c.Homes(t.Context(), "", "k"); err != nil || !slices.Equal(ids, []string{"n1"}) {
		t.Fatalf("got %v, %v", ids, err)
	}
	c.observe(epoch)
	if c.route(Key{Key: "k"}, nil).address != n.address || len(requests[*kindredv1.GetPlacementRequest](n)) != 1 {
		t.Error("asked again although nothing has changed")
	}
	c.observe(epoch + 1)
	waitUntil(t, "asked again", func() bool {
		c.route(Key{Key: "k"}, nil)
		return len(requests[*kindredv1.GetPlacementRequest](n)) == 2
	})
}

func TestPlacementsThatAreNoneAreRefused(t *testing.T) {
	nodes := []*kindredv1.PlacementNode{{Id: "n1", Address: "h:1"}}
	tests := map[string]*kindredv1.GetPlacementResponse{
		"unknown hash":     {Hash: "md5", Replication: 1, Nodes: nodes, Homes: []uint32{0}},
		"too many bits":    {Hash: "xxh64", PartitionBits: 17, Replication: 1, Nodes: nodes},
		"too few homes":    {Hash: "xxh64", PartitionBits: 1, Replication: 1, Nodes: nodes, Homes: []uint32{0}},
		"no such node":     {Hash: "xxh64", Replication: 1, Nodes: nodes, Homes: []uint32{1}},
		"no homes at all":  {Hash: "xxh64", Nodes: nodes},
		"an empty message": {},
	}
	for name, response := range tests {
		if err := checkPlacement(response); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
