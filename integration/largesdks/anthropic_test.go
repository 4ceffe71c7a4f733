//go:build largesdks

package largesdks_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newAnthropic(policy *retry.Policy) anthropic.Client {
	// docs/sdks.md#anthropic-sdk-go
	client := anthropic.NewClient(
		option.WithHTTPClient(&http.Client{Transport: httpx.NewTransport(nil, policy, httpx.WithIdempotencyKey())}),
		option.WithMaxRetries(0),
	)
	// end
	return client
}

func message(ctx context.Context, c anthropic.Client) error {
	_, err := c.Messages.New(ctx, anthropic.MessageNewParams{
		Model: "claude-sonnet-4-5", MaxTokens: 64,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hello"))},
	})
	return err
}

func TestAnthropic(t *testing.T) {
	t.Setenv("ANTHROPIC_API_KEY", "key")
	answer := fakenet.Answer(http.StatusOK, `{"id": "1", "type": "message", "role": "assistant", "content": []}`)
	fakenet.HTTP(t, "anthropic-sdk-go", overloaded, answer,
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return message(ctx, anthropic.NewClient(option.WithMaxRetries(0)))
		}},
		fakenet.Way{Label: fakenet.Own, Call: func(ctx context.Context) error {
			return message(ctx, anthropic.NewClient())
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			return message(ctx, newAnthropic(newPolicy()))
		}},
		fakenet.Way{Label: fakenet.Both, Call: func(ctx context.Context) error {
			client := &http.Client{Transport: httpx.NewTransport(nil, newPolicy(), httpx.WithIdempotencyKey())}
			return message(ctx, anthropic.NewClient(option.WithHTTPClient(client)))
		}},
	)
}

// overloaded answers as the API does under overload.
func overloaded(w http.ResponseWriter, r *http.Request) {
	fakenet.Answer(529, `{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}`)(w, r)
}
