package kindred

import (
	"testing"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

func TestEndpointsTakeTurns(t *testing.T) {
	nodes := []*fakeNode{
		startNode(t, func(*fakeNode) {}), startNode(t, func(*fakeNode) {}), startNode(t, func(*fakeNode) {}),
	}
	c := dialNodes(t, nodes)
	for range 30 {
		if _, err := c.Get(t.Context(), "", "k"); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range nodes {
		if got := len(requests[*kindredv1.GetRequest](n)); got != 10 {
			t.Errorf("node %d got %d of 30 requests, want 10", i, got)
		}
	}
}

func TestABrokenEndpointIsPassedOverUntilItIsBack(t *testing.T) {
	nodes := []*fakeNode{startNode(t, func(*fakeNode) {}), startNode(t, func(*fakeNode) {})}
	c := dialNodes(t, nodes)
	nodes[0].server.Stop()
	waitUntil(t, "the break is noticed", func() bool { return !c.endpoints.all[0].usable() })
	for range 10 {
		if _, err := c.Get(t.Context(), "", "k"); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(requests[*kindredv1.GetRequest](nodes[1])); got != 10 {
		t.Errorf("the other node got %d of 10 requests", got)
	}

	nodes[0].listen(t, nodes[0].address)
	waitUntil(t, "connected again", c.endpoints.all[0].usable)
	for range 10 {
		if _, err := c.Get(t.Context(), "", "k"); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(requests[*kindredv1.GetRequest](nodes[0])); got != 5 {
		t.Errorf("the node that is back got %d of 10 requests, want 5", got)
	}
}

func TestNewClientRefuses(t *testing.T) {
	tests := map[string]func() (*Client, error){
		"no endpoints":             func() (*Client, error) { return NewClient(nil) },
		"no timeout":               func() (*Client, error) { return NewClient([]string{"h:1"}, WithTimeout(0)) },
		"no attempts":              func() (*Client, error) { return NewClient([]string{"h:1"}, WithAttempts(0)) },
		"no update attempts":       func() (*Client, error) { return NewClient([]string{"h:1"}, WithUpdateAttempts(0)) },
		"a token in plain text":    func() (*Client, error) { return NewClient([]string{"h:1"}, WithToken("secret")) },
		"an endpoint with a space": func() (*Client, error) { return NewClient([]string{"dns://%zz/h"}) },
	}
	for name, open := range tests {
		if c, err := open(); err == nil {
			c.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}
