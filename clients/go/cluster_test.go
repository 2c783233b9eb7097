package kindred_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	kindred "github.com/kindred-db/kindred/clients/go"
)

// keyOf returns a key that no other run has used.
func keyOf(t *testing.T) string {
	return fmt.Sprint(t.Name(), "/", kindred.NewRequestID())
}

func dial(t *testing.T, opts ...kindred.Option) *kindred.Client {
	t.Helper()
	client, err := kindred.NewClient(endpoints, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// TestClusterUpdatesLoseNothing lets many add to one set at a time, through different nodes.
func TestClusterUpdatesLoseNothing(t *testing.T) {
	// A busy machine may take its time.
	client := dial(t, kindred.WithTimeout(10*time.Second), kindred.WithUpdateAttempts(50),
		kindred.WithResolver("default", kindred.UnionOf[string]()))
	key := keyOf(t)
	var all sync.WaitGroup
	var want []string
	for i := range 10 {
		item := fmt.Sprint("item", i)
		want = append(want, item)
		all.Go(func() {
			_, err := client.Update(t.Context(), "default", key, func(current *kindred.Value) (kindred.Change, error) {
				var set []string
				if current != nil {
					if err := json.Unmarshal(current.Data, &set); err != nil {
						return kindred.Keep(), err
					}
				}
				data, err := json.Marshal(append(set, item))
				return kindred.Store(kindred.Value{Data: data}), err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	result, err := client.Update(t.Context(), "default", key, func(*kindred.Value) (kindred.Change, error) {
		return kindred.Keep(), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(result.Value.Data, &got); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestClusterSessionReadsItsWrites(t *testing.T) {
	session := dial(t).Session()
	key := keyOf(t)
	for i := range 20 {
		value := kindred.Value{Data: fmt.Append(nil, i)}
		if _, err := session.Put(t.Context(), "", key, value, kindred.WithConsistency(kindred.One)); err != nil {
			t.Fatal(err)
		}
		result, err := session.Get(t.Context(), "", key, kindred.WithConsistency(kindred.One))
		if err != nil {
			t.Fatal(err)
		}
		if found, ok := result.(*kindred.Found); !ok || string(found.Value.Data) != fmt.Sprint(i) {
			t.Fatalf("after put %d: got %+v", i, result)
		}
	}
}

func TestClusterDirectRoutingAgreesWithTheServer(t *testing.T) {
	client := dial(t, kindred.WithDirectRouting())
	for i := range 50 {
		key := fmt.Sprint(keyOf(t), i)
		homes, err := client.Homes(t.Context(), "", key)
		if err != nil {
			t.Fatal(err)
		}
		result, err := client.Put(t.Context(), "", key, kindred.Value{}, kindred.WithConsistency(kindred.All))
		if err != nil {
			t.Fatal(err)
		}
		if len(homes) != 3 || !slices.Contains(homes, result.Report.Coordinator) {
			t.Errorf("%q: homes %v, coordinator %s", key, homes, result.Report.Coordinator)
		}
	}
}

func TestClusterErrorsHaveDetails(t *testing.T) {
	client := dial(t)
	_, err := client.Put(t.Context(), "no-such-bucket", "k", kindred.Value{})
	var e *kindred.Error
	if !errors.As(err, &e) || !errors.Is(err, kindred.ErrBucketUnknown) || e.Detail == nil || e.Outcome != kindred.OutcomeNotApplied {
		t.Errorf("unknown bucket: %+v", e)
	}
	_, err = client.Put(t.Context(), "", strings.Repeat("k", 1025), kindred.Value{})
	if !errors.As(err, &e) || !errors.Is(err, kindred.ErrTooLarge) || e.Detail.Field != "key.key" {
		t.Errorf("long key: %+v", e)
	}
}

// TestClusterREADME runs the program of the README, as it stands there.
func TestClusterREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("examples/cart/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(program)+"```\n") {
		t.Error("README.md does not show examples/cart/main.go as it is")
	}
	run := exec.Command("go", append([]string{"run", "./examples/cart"}, endpoints...)...)
	run.Stderr = os.Stderr
	output, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), string(output)) {
		t.Errorf("README.md does not show what the program prints:\n%s", output)
	}
}
