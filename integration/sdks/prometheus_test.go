package sdks_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newPrometheus(policy *retry.Policy) (promapi.Client, error) {
	// docs/sdks.md#prometheus
	client, err := promapi.NewClient(promapi.Config{
		Address:      "http://prometheus.internal:9090",
		RoundTripper: httpx.NewTransport(nil, policy),
	})
	// end
	return client, err
}

func query(ctx context.Context, c promapi.Client, err error) error {
	if err != nil {
		return err
	}
	_, _, err = prometheus.NewAPI(c).Query(ctx, "up", time.Unix(1, 0))
	return err
}

func TestPrometheus(t *testing.T) {
	answer := fakenet.Answer(http.StatusOK, `{"status": "success", "data": {"resultType": "vector", "result": []}}`)
	fakenet.HTTP(t, "prometheus", unavailable, answer,
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			c, err := promapi.NewClient(promapi.Config{Address: "http://prometheus.internal:9090", RoundTripper: http.DefaultTransport})
			return query(ctx, c, err)
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			c, err := newPrometheus(newPolicy())
			return query(ctx, c, err)
		}},
	)
}
