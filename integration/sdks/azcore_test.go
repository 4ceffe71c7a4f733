package sdks_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azpolicy "github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newAzure(policy *retry.Policy) (*azcore.Client, error) {
	// docs/sdks.md#azcore
	options := azcore.ClientOptions{
		Transport: &http.Client{Transport: httpx.NewTransport(nil, policy)},
		Retry:     azpolicy.RetryOptions{MaxRetries: -1}, // 0 would be its default of 3
	}
	client, err := azcore.NewClient("example", "v1.0.0", runtime.PipelineOptions{}, &options)
	// end
	return client, err
}

// newAzureWith makes a client with retries of azcore's own that many times.
func newAzureWith(transport http.RoundTripper, retries int32) (*azcore.Client, error) {
	return azcore.NewClient("example", "v1.0.0", runtime.PipelineOptions{}, &azcore.ClientOptions{
		Transport: &http.Client{Transport: transport}, Retry: azpolicy.RetryOptions{MaxRetries: retries},
	})
}

func put(client *azcore.Client, err error) fakenet.Call {
	return func(ctx context.Context) error {
		if err != nil {
			return err
		}
		req, err := runtime.NewRequest(ctx, http.MethodPut, "https://example.azure.com/item")
		if err != nil {
			return err
		}
		if err := runtime.MarshalAsJSON(req, map[string]string{"name": "value"}); err != nil {
			return err
		}
		resp, err := client.Pipeline().Do(req)
		if err != nil {
			return err
		}
		if !runtime.HasStatusCode(resp, http.StatusOK) {
			return runtime.NewResponseError(resp)
		}
		return nil
	}
}

func TestAzcore(t *testing.T) {
	fakenet.HTTP(t, "azcore", unavailable, fakenet.Answer(http.StatusOK, `{}`),
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return put(newAzureWith(nil, -1))(ctx)
		}},
		fakenet.Way{Label: fakenet.Own, Call: func(ctx context.Context) error {
			return put(newAzureWith(nil, 0))(ctx)
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			return put(newAzure(newPolicy()))(ctx)
		}},
		fakenet.Way{Label: fakenet.Both, Call: func(ctx context.Context) error {
			return put(newAzureWith(httpx.NewTransport(nil, newPolicy()), 0))(ctx)
		}},
		fakenet.Way{Label: "both, and `budget.Unlimited{}`", Call: func(ctx context.Context) error {
			unlimited := retry.Must(retry.New(retry.Config{Budget: budget.Unlimited{}}))
			return put(newAzureWith(httpx.NewTransport(nil, unlimited), 0))(ctx)
		}},
	)
}
