// Command cart lets two people race for one shopping cart, and loses nothing.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	kindred "github.com/kindred-db/kindred/clients/go"
)

const bucket, key = "default", "cart/7"

func main() {
	endpoints := os.Args[1:]
	if len(endpoints) == 0 {
		endpoints = []string{"127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402"}
	}
	// Carts are JSON arrays used as sets. Of carts that raced, Update makes the union.
	client, err := kindred.NewClient(endpoints, kindred.WithResolver(bucket, kindred.UnionOf[string]()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := shop(context.Background(), client); err != nil {
		log.Fatal(err)
	}
}

func shop(ctx context.Context, client *kindred.Client) error {
	first, err := client.Put(ctx, bucket, key, cart("milk"))
	if err != nil {
		return err
	}
	// Ann and Ben have both seen the milk, and not each other. So neither replaces what the other puts.
	for _, cart := range []kindred.Value{cart("milk", "eggs"), cart("milk", "bread")} {
		if _, err := client.Put(ctx, bucket, key, cart, kindred.WithCausalContext(first.Context)); err != nil {
			return err
		}
	}
	if err := show(ctx, client); err != nil {
		return err
	}

	// Update reads, merges, adds, and writes with the context of what it has read.
	if _, err := client.Update(ctx, bucket, key, adding("butter")); err != nil {
		return err
	}
	return show(ctx, client)
}

func adding(item string) func(*kindred.Value) (kindred.Change, error) {
	return func(current *kindred.Value) (kindred.Change, error) {
		var items []string
		if current != nil {
			if err := json.Unmarshal(current.Data, &items); err != nil {
				return kindred.Keep(), err
			}
		}
		return kindred.Store(cart(append(items, item)...)), nil
	}
}

func cart(items ...string) kindred.Value {
	data, _ := json.Marshal(items) // Strings can always be marshalled.
	return kindred.Value{Data: data, ContentType: "application/json"}
}

func show(ctx context.Context, client *kindred.Client) error {
	result, err := client.Get(ctx, bucket, key)
	if err != nil {
		return err
	}
	switch r := result.(type) {
	case *kindred.Found:
		fmt.Printf("one cart: %s\n", r.Value.Data)
	case *kindred.Conflict:
		fmt.Println(len(r.Versions), "carts raced")
	case *kindred.Absent:
		fmt.Println("no cart")
	}
	return nil
}
