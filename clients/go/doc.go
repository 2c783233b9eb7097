// Package kindred is the Go client of Kindred, a Dynamo-style key-value store that is spoken to over gRPC.
//
// A [Client] reads and writes keys through any node of a cluster:
//
//	client, err := kindred.NewClient([]string{"127.0.0.1:7400", "127.0.0.1:7401"})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//
//	result, err := client.Get(ctx, "default", "cart/7")
//	if err != nil {
//		return err
//	}
//	switch r := result.(type) {
//	case *kindred.Found:
//		fmt.Printf("%s\n", r.Value.Data)
//	case *kindred.Conflict:
//		fmt.Println(len(r.Versions), "writes raced")
//	case *kindred.Absent:
//		fmt.Println("nothing")
//	}
//
// # Siblings
//
// There is no leader, and writes that race are not decided by a clock: a read shows them all, with one
// [CausalContext]. A put [WithCausalContext] supersedes exactly what was seen. [Client.Update] does the whole round:
// read, merge with the bucket's [Resolver], change, write, and again if the write raced.
//
// # Sessions and levels
//
// Each operation may name how many replicas must answer, [WithConsistency]. A [Session] carries contexts from one
// operation to the next, so that it reads its own writes and never goes back, even at [One].
//
// # Errors
//
// Whatever fails is an [*Error]: its gRPC code, its reason, and, for a write, whether it may have been applied.
//
//	if errors.Is(err, kindred.ErrOutcomeUnknown) {
//		// It may be there now, or appear later: send it again with the same request id, or ask WriteOutcome.
//	}
//
// The client gives every write a request id, by which it counts once however often it is sent. So it retries by
// itself what may succeed elsewhere or a moment later, within [WithAttempts] and [WithTimeout]. Contexts bound and
// cancel operations as usual.
//
// # Throughput
//
// A [Pipeline] keeps many operations in flight over one stream. [WithDirectRouting] sends each key to a node that
// keeps it, which saves a hop.
//
// # The bare stubs
//
// Everything clever is on the server, so the generated code in
// [github.com/kindred-db/kindred/clients/go/gen/kindred/v1] is a complete client, too; [Client.Conn] serves the
// services that this package does not wrap.
package kindred
