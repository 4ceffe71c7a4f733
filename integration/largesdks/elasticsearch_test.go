//go:build largesdks

package largesdks_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v9"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newElastic(policy *retry.Policy) (*elasticsearch.Client, error) {
	// docs/sdks.md#elasticsearch
	client, err := elasticsearch.New(
		elasticsearch.WithAddresses("http://search.internal:9200"),
		elasticsearch.WithTransportOptions(
			elastictransport.WithTransport(httpx.NewTransport(nil, policy, httpx.WithBodyBuffer(1<<20))),
			elastictransport.WithDisableRetry(),
		),
	)
	// end
	return client, err
}

func searchElastic(ctx context.Context, client *elasticsearch.Client) error {
	// docs/sdks.md#elasticsearch
	ctx = retry.WithIdempotency(ctx, retry.Idempotent) // a search is a POST
	resp, err := client.Search(client.Search.WithContext(ctx), client.Search.WithBody(strings.NewReader(`{"size": 1}`)))
	// end
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.IsError() {
		return errors.New(resp.Status())
	}
	return nil
}

func elasticWith(opts ...elastictransport.Option) fakenet.Call {
	return func(ctx context.Context) error {
		c, err := elasticsearch.New(
			elasticsearch.WithAddresses("http://search.internal:9200"), elasticsearch.WithTransportOptions(opts...),
		)
		if err != nil {
			return err
		}
		return searchElastic(ctx, c)
	}
}

func TestElasticsearch(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		fakenet.Answer(http.StatusOK, `{"hits": {"hits": []}}`)(w, r)
	}
	fakenet.HTTP(t, "elasticsearch", unavailable, answer,
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return elasticWith(elastictransport.WithTransport(http.DefaultTransport), elastictransport.WithDisableRetry())(ctx)
		}},
		fakenet.Way{Label: fakenet.Own, Call: func(ctx context.Context) error {
			return elasticWith(elastictransport.WithTransport(http.DefaultTransport))(ctx)
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			c, err := newElastic(newPolicy())
			if err != nil {
				return err
			}
			return searchElastic(ctx, c)
		}},
		fakenet.Way{Label: fakenet.Both, Call: func(ctx context.Context) error {
			both := httpx.NewTransport(nil, newPolicy(), httpx.WithBodyBuffer(1<<20))
			return elasticWith(elastictransport.WithTransport(both))(ctx)
		}},
	)
}
