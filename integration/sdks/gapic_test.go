package sdks_test

import (
	"context"
	"net/http"
	"testing"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"golang.org/x/oauth2"
	"google.golang.org/api/option"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newSecrets(
	ctx context.Context, policy *retry.Policy, opts ...option.ClientOption,
) (*secretmanager.Client, error) {
	// docs/sdks.md#google-cloud-go
	reads := grpcx.WithIdempotentMethods(
		"google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion",
		"google.cloud.secretmanager.v1.SecretManagerService/GetSecret",
	)
	for _, o := range grpcx.DialOptions(policy, reads) {
		opts = append(opts, option.WithGRPCDialOption(o))
	}
	client, err := secretmanager.NewClient(ctx, opts...)
	if err != nil {
		return nil, err
	}
	*client.CallOptions = secretmanager.CallOptions{} // neither gax's retries nor its timeouts of a minute
	// end
	return client, nil
}

func newSecretsREST(ctx context.Context, tokens oauth2.TokenSource, policy *retry.Policy) (*secretmanager.Client, error) {
	// docs/sdks.md#google-cloud-go
	client, err := secretmanager.NewRESTClient(ctx, option.WithHTTPClient(&http.Client{
		Transport: &oauth2.Transport{Source: tokens, Base: httpx.NewTransport(nil, policy)},
	}))
	if err != nil {
		return nil, err
	}
	*client.CallOptions = secretmanager.CallOptions{}
	// end
	return client, nil
}

func access(ctx context.Context, c *secretmanager.Client, err error) error {
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.AccessSecretVersion(ctx, &secretmanagerpb.AccessSecretVersionRequest{
		Name: "projects/p/secrets/s/versions/1",
	})
	return err
}

// withoutRetries removes the call options of gax from a client.
func withoutRetries(c *secretmanager.Client, err error) (*secretmanager.Client, error) {
	if err == nil {
		*c.CallOptions = secretmanager.CallOptions{}
	}
	return c, err
}

func TestGoogleCloud_GRPC(t *testing.T) {
	skipShort(t)
	var opts []option.ClientOption // of the server of a cell
	bare := func(ctx context.Context) (*secretmanager.Client, error) { return secretmanager.NewClient(ctx, opts...) }
	ways := []fakenet.Way{
		{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			c, err := withoutRetries(bare(ctx))
			return access(ctx, c, err)
		}},
		{Label: fakenet.Own, Call: func(ctx context.Context) error {
			c, err := bare(ctx)
			return access(ctx, c, err)
		}},
		{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			c, err := newSecrets(ctx, newPolicy(), opts...)
			return access(ctx, c, err)
		}},
	}
	fakenet.Compare(t, "google-cloud-go", 2, ways, func(t *testing.T, column int, way fakenet.Way) string {
		t.Helper()
		s := serveRPC(t, 2, column == 1, &secretmanagerpb.AccessSecretVersionResponse{Name: "s"})
		opts = []option.ClientOption{
			option.WithEndpoint("passthrough:///secretmanager.googleapis.com"), option.WithoutAuthentication(),
		}
		for _, o := range s.dialOptions() {
			opts = append(opts, option.WithGRPCDialOption(o))
		}
		err := fakenet.Deadline(t, way.Call)
		return fakenet.Cell(s.calls(), err)
	})
}

func TestGoogleCloud_REST(t *testing.T) {
	skipShort(t)
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "t"})
	bare := func(ctx context.Context, base http.RoundTripper) (*secretmanager.Client, error) {
		return secretmanager.NewRESTClient(ctx, option.WithHTTPClient(&http.Client{
			Transport: &oauth2.Transport{Source: tokens, Base: base},
		}))
	}
	fakenet.HTTP(t, "google-cloud-go", unavailable, fakenet.Answer(http.StatusOK, `{"name": "s"}`),
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			c, err := withoutRetries(bare(ctx, nil))
			return access(ctx, c, err)
		}},
		fakenet.Way{Label: fakenet.Own, Least: 8, Call: func(ctx context.Context) error {
			c, err := bare(ctx, nil)
			return access(ctx, c, err)
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			c, err := newSecretsREST(ctx, tokens, newPolicy())
			return access(ctx, c, err)
		}},
		fakenet.Way{Label: fakenet.Both, Least: 10, Call: func(ctx context.Context) error {
			c, err := bare(ctx, httpx.NewTransport(nil, newPolicy()))
			return access(ctx, c, err)
		}},
	)
}
