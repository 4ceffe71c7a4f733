//go:build largesdks

package largesdks_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newOpenAI(policy *retry.Policy) openai.Client {
	// docs/sdks.md#openai-go
	client := openai.NewClient(
		option.WithHTTPClient(&http.Client{Transport: httpx.NewTransport(nil, policy, httpx.WithIdempotencyKey())}),
		option.WithMaxRetries(0),
	)
	// end
	return client
}

func chat(ctx context.Context, c openai.Client) error {
	_, err := c.Chat.Completions.New(ctx, hello)
	return err
}

var hello = openai.ChatCompletionNewParams{
	Model:    openai.ChatModelGPT4o,
	Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello")},
}

// The policy for LLMs waits for an answer that takes minutes, and as long as a rate limit asks
// for.
func TestOpenAI_SlowAnswer(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "key")
	synctest.Test(t, func(t *testing.T) {
		limited := func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "20")
			fakenet.Answer(http.StatusTooManyRequests, `{"error": {"message": "Rate limit reached"}}`)(w, r)
		}
		s := fakenet.Serve(t, 1, limited, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(3 * time.Minute)
			fakenet.Answer(http.StatusOK, `{"id": "1", "object": "chat.completion", "choices": []}`)(w, r)
		})
		start := time.Now()
		require.NoError(t, fakenet.Deadline(t, func(ctx context.Context) error {
			return chat(ctx, newOpenAI(fakenet.Ready(t, "An LLM's API")))
		}))
		require.Len(t, s.Requests(), 2)
		require.GreaterOrEqual(t, time.Since(start), 3*time.Minute+20*time.Second)
	})
}

// A stream is repeated until its answer has begun, and an answer that breaks off is the caller's.
func TestOpenAI_Stream(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "key")
	synctest.Test(t, func(t *testing.T) {
		s := fakenet.Serve(t, 1, unavailable, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, `data: {"id": "1", "object": "chat.completion.chunk", "choices": []}`+"\n\n")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		chunks := 0
		require.Error(t, fakenet.Deadline(t, func(ctx context.Context) error {
			client := newOpenAI(newPolicy())
			stream := client.Chat.Completions.NewStreaming(ctx, hello)
			defer stream.Close()
			for stream.Next() {
				chunks++
			}
			return stream.Err()
		}))
		require.Equal(t, 1, chunks)
		require.Len(t, s.Requests(), 2)
	})
}

func TestOpenAI(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "key")
	answer := fakenet.Answer(http.StatusOK, `{"id": "1", "object": "chat.completion", "choices": []}`)
	fakenet.HTTP(t, "openai-go", unavailable, answer,
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return chat(ctx, openai.NewClient(option.WithMaxRetries(0)))
		}},
		fakenet.Way{Label: fakenet.Own, Call: func(ctx context.Context) error {
			return chat(ctx, openai.NewClient())
		}},
		fakenet.Way{Label: "without `WithIdempotencyKey`", Call: func(ctx context.Context) error {
			client := &http.Client{Transport: httpx.NewTransport(nil, newPolicy())}
			return chat(ctx, openai.NewClient(option.WithHTTPClient(client), option.WithMaxRetries(0)))
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			return chat(ctx, newOpenAI(newPolicy()))
		}},
		fakenet.Way{Label: fakenet.Both, Call: func(ctx context.Context) error {
			client := &http.Client{Transport: httpx.NewTransport(nil, newPolicy(), httpx.WithIdempotencyKey())}
			return chat(ctx, openai.NewClient(option.WithHTTPClient(client)))
		}},
	)
}
