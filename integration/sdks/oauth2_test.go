package sdks_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newOAuth2(ctx context.Context, credentials *clientcredentials.Config, policy *retry.Policy) *http.Client {
	// docs/sdks.md#oauth2
	retried := &http.Client{Transport: httpx.NewTransport(nil, policy)}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, retried) // for the tokens,
	ctx = retry.WithIdempotency(ctx, retry.Idempotent)       // which may be fetched twice
	client := &http.Client{Transport: &oauth2.Transport{
		Source: credentials.TokenSource(ctx),
		Base:   retried.Transport, // for the API
	}}
	// end
	return client
}

// newOAuth2Inside has the order that the page warns of: a token is fetched in each attempt.
func newOAuth2Inside(ctx context.Context, credentials *clientcredentials.Config, policy *retry.Policy) *http.Client {
	return &http.Client{Transport: httpx.NewTransport(&oauth2.Transport{Source: credentials.TokenSource(ctx)}, policy)}
}

func newOAuth2Bare(ctx context.Context, credentials *clientcredentials.Config, _ *retry.Policy) *http.Client {
	return credentials.Client(ctx)
}

type makeOAuth2 func(context.Context, *clientcredentials.Config, *retry.Policy) *http.Client

const tokenServer = "auth.example.com"

var credentials = &clientcredentials.Config{
	ClientID: "id", ClientSecret: "secret", TokenURL: "https://" + tokenServer + "/token", AuthStyle: oauth2.AuthStyleInHeader,
}

// serveTokens serves an API and the tokens for it. The first requests to one of the two hosts are
// answered by 503.
func serveTokens(t *testing.T, failing string, failures int) *fakenet.Server {
	t.Helper()
	return fakenet.Serve(t, 0, nil, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == failing && failures > 0:
			failures--
			unavailable(w, r)
		case r.Host == tokenServer:
			fakenet.Answer(http.StatusOK, `{"access_token": "t", "token_type": "Bearer", "expires_in": 3600}`)(w, r)
		case r.Header.Get("Authorization") != "Bearer t":
			fakenet.Answer(http.StatusUnauthorized, `{}`)(w, r)
		default:
			fakenet.Answer(http.StatusOK, `{}`)(w, r)
		}
	})
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

func to(s *fakenet.Server, host string) (n int) {
	for _, r := range s.Requests() {
		if r.Host == host {
			n++
		}
	}
	return n
}

const (
	api      = "api.example.com"
	apiItems = "https://" + api + "/items"
)

func TestOAuth2(t *testing.T) {
	columns := []struct {
		failing  string
		failures int
	}{{tokenServer, 2}, {api, 2}, {tokenServer, fakenet.Always}}
	way := func(label string, of makeOAuth2) fakenet.Way {
		return fakenet.Way{Label: label, Call: func(ctx context.Context) error {
			return get(ctx, of(context.Background(), credentials, newPolicy()), apiItems)
		}}
	}
	ways := []fakenet.Way{
		way(fakenet.Bare, newOAuth2Bare), way(fakenet.Evenkeel, newOAuth2), way("httpx outside", newOAuth2Inside),
	}
	fakenet.Compare(t, "oauth2", len(columns), ways, func(t *testing.T, column int, way fakenet.Way) string {
		t.Helper()
		s := serveTokens(t, columns[column].failing, columns[column].failures)
		err := fakenet.Deadline(t, way.Call)
		text := fmt.Sprintf("%d + %d", to(s, tokenServer), to(s, api))
		if err != nil {
			return text + ", fails"
		}
		return text
	})
}

// Each host has its own budget only if oauth2 is outside: else an outage of the token server uses
// up the retries of the API, whose own hiccup is then an error.
func TestOAuth2_TokenServerWasDown(t *testing.T) {
	for name, test := range map[string]struct {
		of    makeOAuth2
		fails bool
	}{"oauth2 outside": {newOAuth2, false}, "httpx outside": {newOAuth2Inside, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down, hiccup := false, 0
				fakenet.Serve(t, 0, nil, func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.Host == tokenServer && down:
						unavailable(w, r)
					case r.Host == tokenServer:
						fakenet.Answer(http.StatusOK, `{"access_token": "t", "expires_in": 60}`)(w, r)
					case hiccup > 0:
						hiccup--
						unavailable(w, r)
					default:
						fakenet.Answer(http.StatusOK, `{}`)(w, r)
					}
				})
				client := test.of(context.Background(), credentials, newPolicy())
				call := func(ctx context.Context) error { return get(ctx, client, apiItems) }
				require.NoError(t, fakenet.Deadline(t, call))
				time.Sleep(time.Minute) // the token expires
				down = true
				for range 3 {
					require.Error(t, fakenet.Deadline(t, call))
				}
				down, hiccup = false, 2
				require.Equal(t, test.fails, fakenet.Deadline(t, call) != nil)
			})
		})
	}
}
