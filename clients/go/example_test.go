package kindred_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	kindred "github.com/kindred-db/kindred/clients/go"
)

func Example() {
	client, err := kindred.NewClient(endpoints)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	value := kindred.Value{Data: []byte("hello"), ContentType: "text/plain"}
	if _, err := client.Put(ctx, "default", "example/greeting", value); err != nil {
		log.Fatal(err)
	}
	result, err := client.Get(ctx, "default", "example/greeting")
	if err != nil {
		log.Fatal(err)
	}
	switch r := result.(type) {
	case *kindred.Found:
		fmt.Printf("%s, %s\n", r.Value.Data, r.Value.ContentType)
	case *kindred.Conflict:
		fmt.Println(len(r.Versions), "writes raced")
	case *kindred.Absent:
		fmt.Println("nothing")
	}
	// Output: hello, text/plain
}

// Two writers who have both seen "milk" race. The next reader merges what they wrote.
func ExampleClient_Get_conflict() {
	client, err := kindred.NewClient(endpoints)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	put := func(text string, seen kindred.CausalContext) *kindred.WriteResult {
		result, err := client.Put(ctx, "default", "example/list", kindred.Value{Data: []byte(text)}, kindred.WithCausalContext(seen))
		if err != nil {
			log.Fatal(err)
		}
		return result
	}

	milk := put("milk", kindred.CausalContext{})
	put("milk, eggs", milk.Context)
	put("milk, bread", milk.Context)

	result, err := client.Get(ctx, "default", "example/list")
	if err != nil {
		log.Fatal(err)
	}
	if raced, ok := result.(*kindred.Conflict); ok {
		fmt.Println(len(raced.Versions), "versions")
		merged := put("milk, eggs, bread", raced.Context)
		fmt.Println(merged.VersionsHeld, "version")
	}
	// Output:
	// 2 versions
	// 1 version
}

func ExampleClient_Update() {
	// Values of this bucket are JSON arrays used as sets, and siblings are merged into their union.
	client, err := kindred.NewClient(endpoints, kindred.WithResolver("default", kindred.UnionOf[string]()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	// Two writes that raced.
	for _, set := range []string{`["milk","eggs"]`, `["milk","bread"]`} {
		value := kindred.Value{Data: []byte(set)}
		if _, err := client.Put(ctx, "default", "example/cart", value, kindred.WithBlindWrite(kindred.AddSibling)); err != nil {
			log.Fatal(err)
		}
	}

	result, err := client.Update(ctx, "default", "example/cart", func(current *kindred.Value) (kindred.Change, error) {
		fmt.Printf("before: %s\n", current.Data)
		return kindred.Store(kindred.Value{Data: []byte(`["bread","butter","milk"]`)}), nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("after:  %s\n", result.Value.Data)
	// Output:
	// before: ["bread","eggs","milk"]
	// after:  ["bread","butter","milk"]
}

func ExampleSession() {
	client, err := kindred.NewClient(endpoints)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	session := client.Session()
	for _, name := range []string{"Ann", "Ann-Marie"} {
		value := kindred.Value{Data: []byte(name)}
		if _, err := session.Put(ctx, "default", "example/profile", value, kindred.WithConsistency(kindred.One)); err != nil {
			log.Fatal(err)
		}
		// One replica answers, any of them; and yet never with less than what was written.
		result, err := session.Get(ctx, "default", "example/profile", kindred.WithConsistency(kindred.One))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", result.(*kindred.Found).Value.Data)
	}
	// Output:
	// Ann
	// Ann-Marie
}

func ExamplePipeline() {
	client, err := kindred.NewClient(endpoints)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	pipeline := client.Pipeline()
	var writes []*kindred.Future[*kindred.WriteResult]
	for i := range 100 {
		value := kindred.Value{Data: fmt.Append(nil, i)}
		writes = append(writes, pipeline.Put(ctx, "default", fmt.Sprint("example/pipeline/", i), value))
	}
	for _, write := range writes {
		if _, err := write.Result(); err != nil {
			log.Fatal(err)
		}
	}
	result, err := pipeline.Get(ctx, "default", "example/pipeline/99").Result()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", result.(*kindred.Found).Value.Data)
	if err := pipeline.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: 99
}

func ExampleClient_BatchGet() {
	client, err := kindred.NewClient(endpoints)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	writes := []kindred.Mutation{
		kindred.NewPut("default", "example/batch/1", kindred.Value{Data: []byte("one")}, kindred.WithTTL(time.Hour)),
		kindred.NewDelete("default", "example/batch/2"),
	}
	for item := range client.BatchWrite(ctx, writes) {
		if item.Err != nil {
			log.Fatal(item.Err)
		}
	}
	keys := []kindred.Key{{Bucket: "default", Key: "example/batch/1"}, {Bucket: "default", Key: "example/batch/2"}}
	for item := range client.BatchGet(ctx, keys) {
		if item.Err != nil {
			log.Fatal(item.Err)
		}
		if found, ok := item.Result.(*kindred.Found); ok {
			fmt.Printf("%s: %s\n", keys[item.Index].Key, found.Value.Data)
		}
	}
	// Output: example/batch/1: one
}

func ExampleError() {
	client, err := kindred.NewClient(endpoints)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	create := func() error {
		_, err := client.Put(ctx, "default", "example/once", kindred.Value{}, kindred.WithBlindWrite(kindred.RejectIfExists),
			kindred.WithConsistency(kindred.All))
		return err
	}
	if err := create(); err != nil {
		log.Fatal(err)
	}
	err = create()
	if errors.Is(err, kindred.ErrKeyExists) {
		fmt.Println("exists already")
	}
	var failed *kindred.Error
	if errors.As(err, &failed) {
		fmt.Println(failed.Code, failed.Reason, failed.Outcome)
	}
	// Output:
	// exists already
	// FailedPrecondition KEY_EXISTS NOT_APPLIED
}

func ExampleClient_WriteOutcome() {
	client, err := kindred.NewClient(endpoints)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	id := kindred.NewRequestID()
	_, err = client.Put(ctx, "default", "example/order", kindred.Value{Data: []byte("paid")}, kindred.WithRequestID(id))
	if err != nil && !errors.Is(err, kindred.ErrOutcomeUnknown) {
		log.Fatal(err)
	}
	// Had the outcome been unknown, any process that knows the id could ask, or send the same put again.
	outcome, err := client.WriteOutcome(ctx, "default", "example/order", id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("applied:", outcome.Applied)
	// Output: applied: true
}

func ExampleMergeJSON() {
	type counter struct {
		Visits int `json:"visits"`
	}
	greatest := kindred.MergeJSON(func(values []counter) (counter, error) {
		var merged counter
		for _, v := range values {
			merged.Visits = max(merged.Visits, v.Visits)
		}
		return merged, nil
	})
	value, err := greatest([]kindred.Version{
		{Value: kindred.Value{Data: []byte(`{"visits":3}`)}},
		{Value: kindred.Value{Data: []byte(`{"visits":5}`)}},
		{Deleted: true},
	})
	fmt.Printf("%s %v\n", value.Data, err)
	// Output: {"visits":5} <nil>
}
