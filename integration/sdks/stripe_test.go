package sdks_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v84"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newStripe(key string, policy *retry.Policy) *stripe.Client {
	// docs/sdks.md#stripe-go
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		HTTPClient:        &http.Client{Transport: httpx.NewTransport(nil, policy), Timeout: 80 * time.Second},
		MaxNetworkRetries: stripe.Int64(0),
	})
	client := stripe.NewClient(key, stripe.WithBackends(backends))
	// end
	return client
}

// newStripeWith makes a client with retries of stripe-go's own that many times.
func newStripeWith(transport http.RoundTripper, retries int64) *stripe.Client {
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		HTTPClient: &http.Client{Transport: transport}, MaxNetworkRetries: stripe.Int64(retries),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return stripe.NewClient("sk_test", stripe.WithBackends(backends))
}

func createCustomer(ctx context.Context, c *stripe.Client) error {
	_, err := c.V1Customers.Create(ctx, &stripe.CustomerCreateParams{Name: stripe.String("Ada")})
	return err
}

func TestStripe(t *testing.T) {
	skipShort(t)
	fakenet.HTTP(t, "stripe-go", unavailable, fakenet.Answer(http.StatusOK, `{"id": "cus_1"}`),
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return createCustomer(ctx, newStripeWith(nil, 0))
		}},
		fakenet.Way{Label: fakenet.Own, Call: func(ctx context.Context) error {
			return createCustomer(ctx, newStripeWith(nil, stripe.DefaultMaxNetworkRetries))
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			return createCustomer(ctx, newStripe("sk_test", newPolicy()))
		}},
		fakenet.Way{Label: fakenet.Both, Call: func(ctx context.Context) error {
			return createCustomer(ctx, newStripeWith(httpx.NewTransport(nil, newPolicy()), stripe.DefaultMaxNetworkRetries))
		}},
	)
}

// stripe-go makes a key for each POST, and every attempt carries the same one.
func TestStripe_KeyIsTheSame(t *testing.T) {
	skipShort(t)
	synctest.Test(t, func(t *testing.T) {
		s := fakenet.Serve(t, 2, unavailable, fakenet.Answer(http.StatusOK, `{"id": "cus_1"}`))
		require.NoError(t, fakenet.Deadline(t, func(ctx context.Context) error {
			return createCustomer(ctx, newStripe("sk_test", newPolicy()))
		}))
		for _, r := range s.Requests() {
			require.NotEmpty(t, r.Header.Get("Idempotency-Key"))
			require.Equal(t, s.Requests()[0].Header.Get("Idempotency-Key"), r.Header.Get("Idempotency-Key"))
		}
	})
}
