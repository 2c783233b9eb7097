package kindred

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	kindredv1 "github.com/kindred-db/kindred/clients/go/gen/kindred/v1"
)

func TestTLSAndToken(t *testing.T) {
	// It has a certificate for 127.0.0.1.
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	var authorization []string
	n := startNode(t, func(n *fakeNode) {
		n.serverOptions = []grpc.ServerOption{grpc.Creds(credentials.NewServerTLSFromCert(&web.TLS.Certificates[0]))}
		n.onGet = func(ctx context.Context, _ *kindredv1.GetRequest) (*kindredv1.GetResponse, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			authorization = md.Get("authorization")
			return absent("c"), nil
		}
	})
	trusted := x509.NewCertPool()
	trusted.AddCert(web.Certificate())
	c := dialNodes(t, []*fakeNode{n}, WithTLS(&tls.Config{RootCAs: trusted}), WithToken("secret"))
	if _, err := c.Get(t.Context(), "", "k"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(authorization, []string{"Bearer secret"}) {
		t.Errorf("got authorization %q", authorization)
	}

	stranger, err := NewClient([]string{n.address}, WithTLS(&tls.Config{RootCAs: x509.NewCertPool()}), WithAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	_, err = stranger.Put(t.Context(), "", "k", Value{})
	if e := asError(t, err); e.Outcome != OutcomeNotApplied {
		t.Errorf("a certificate that nobody vouches for: %+v", e)
	}
}

func TestConnReachesTheOtherServices(t *testing.T) {
	n := startNode(t, func(n *fakeNode) {
		n.onPlacement = func(*kindredv1.GetPlacementRequest) (*kindredv1.GetPlacementResponse, error) {
			return &kindredv1.GetPlacementResponse{TopologyEpoch: 7}, nil
		}
	})
	c := dialNodes(t, []*fakeNode{n})
	topology := kindredv1.NewTopologyServiceClient(c.Conn())
	r, err := topology.GetPlacement(t.Context(), &kindredv1.GetPlacementRequest{})
	if err != nil || r.GetTopologyEpoch() != 7 {
		t.Errorf("got %v, %v", r, err)
	}
}
