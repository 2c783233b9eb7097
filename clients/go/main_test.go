package kindred_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// endpoints are where the examples find a cluster. The tests set them to another one than is written here.
var endpoints = []string{"127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402"}

// TestMain gives the examples and cluster tests a cluster: the one that KINDRED_ENDPOINTS names ("host:port,host:port"),
// or one of three real nodes that it starts from this repository and ends. With -short there is none, and they are left
// out.
func TestMain(m *testing.M) {
	flag.Parse()
	stop := func() {}
	switch named := os.Getenv("KINDRED_ENDPOINTS"); {
	case testing.Short():
		flag.Set("test.skip", "^Example|^TestCluster")
	case named != "":
		endpoints = strings.Split(named, ",")
	default:
		var err error
		if stop, err = startCluster(); err != nil {
			log.Fatalf("no cluster: %v\nRun npm ci in the root of the repository, name a cluster in KINDRED_ENDPOINTS, "+
				"or leave out with -short what needs one.", err)
		}
	}
	code := m.Run()
	stop()
	os.Exit(code)
}

func startCluster() (stop func(), err error) {
	base, err := freePortBase()
	if err != nil {
		return nil, err
	}
	const root = "../../"
	// The shell ends the cluster when its standard input ends, which it does even if a test ends this process.
	shell := exec.Command("sh", "-c", `"$@" & cat; kill $!; wait`, "sh",
		root+"node_modules/.bin/node", root+"src/main.ts", "dev",
		"--ephemeral", "--log-level", "warn", "--port-base", fmt.Sprint(base))
	alive, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := shell.StdoutPipe()
	if err != nil {
		return nil, err
	}
	shell.Stderr = os.Stderr
	if err := shell.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		alive.Close()
		shell.Wait()
	}
	ready := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "is ready") {
				ready <- nil
				io.Copy(io.Discard, output)
				return
			}
		}
		ready <- errors.New("it ended before it was ready")
	}()
	select {
	case err = <-ready:
	case <-time.After(2 * time.Minute):
		err = errors.New("it was not ready in time")
	}
	if err != nil {
		stop()
		return nil, err
	}
	for i := range endpoints {
		endpoints[i] = fmt.Sprint("127.0.0.1:", base+i)
	}
	return stop, nil
}

// freePortBase returns a port from which a cluster of three nodes finds all its ports free: three for clients, and as
// many 100 and 200 above.
func freePortBase() (int, error) {
	for range 100 {
		base := 23_010 + 10*rand.IntN(9)
		free := true
		for _, offset := range []int{0, 1, 2, 100, 101, 102, 200, 201, 202} {
			listener, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", base+offset))
			if err != nil {
				free = false
				break
			}
			listener.Close()
		}
		if free {
			return base, nil
		}
	}
	return 0, errors.New("no free ports")
}
