package connect_test

import (
	"context"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

// newEchoClient stands for a client that is generated.
func newEchoClient(c connect.HTTPClient, url string, opts ...connect.ClientOption) *client {
	return connect.NewClient[message, message](c, url+unary, append(opts, readOnly)...)
}

// readOnly is what the generated code has of a method whose idempotency_level is NO_SIDE_EFFECTS.
var readOnly = connect.WithIdempotency(connect.IdempotencyNoSideEffects)

func newEcho(policy *retry.Policy) *client {
	// docs/sdks.md#connect-go
	client := newEchoClient(
		&http.Client{Transport: httpx.NewTransport(nil, policy)}, "https://api.example.com",
		connect.WithHTTPGet(), // methods of NO_SIDE_EFFECTS; others are POSTs
	)
	// end
	return client
}

func TestSDKs_Connect(t *testing.T) {
	echo := func(ctx context.Context, c *client) error {
		_, err := c.CallUnary(ctx, connect.NewRequest(wrapperspb.String("abc")))
		return err
	}
	busy := fakenet.Answer(http.StatusServiceUnavailable, `{"code": "unavailable", "message": "busy"}`)
	answer := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/proto") }
	fakenet.HTTP(t, "connect-go", busy, answer,
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return echo(ctx, newEchoClient(http.DefaultClient, "https://api.example.com"))
		}},
		fakenet.Way{Label: "without `WithHTTPGet`", Call: func(ctx context.Context) error {
			c := &http.Client{Transport: httpx.NewTransport(nil, quick(retry.Config{}))}
			return echo(ctx, newEchoClient(c, "https://api.example.com"))
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			return echo(ctx, newEcho(retry.Must(retry.New(retry.Config{}))))
		}},
	)
}
