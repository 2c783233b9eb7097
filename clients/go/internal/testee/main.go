// Command testee carries out the cases of clients/conformance with this client: one JSON request a line on standard
// input, one answer a line on standard output, in any order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// A batch answer may hold a thousand values of 1 MiB in base64; a request at most 4 MiB of them.
const maxLineBytes = 64 << 20

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "testee:", err)
		os.Exit(1)
	}
}

func run() error {
	t := newTestee()
	out := &answers{encoder: json.NewEncoder(os.Stdout)}
	var running sync.WaitGroup
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			out.write(answer{ID: r.ID, Error: unimplemented(err.Error())})
			continue
		}
		// In order: what the request names has to be there, and so has the request for one that cancels it.
		work := t.prepare(&r)
		running.Go(func() { out.write(work()) })
	}
	running.Wait()
	t.close()
	return lines.Err()
}

type answers struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (a *answers) write(answer answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.encoder.Encode(answer); err != nil {
		fmt.Fprintln(os.Stderr, "testee:", err)
	}
}
