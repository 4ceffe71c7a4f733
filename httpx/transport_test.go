package httpx_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMain(m *testing.M) { leak.Main(m) }

// quick returns a configuration whose retries do not wait.
func quick() retry.Config {
	return retry.Config{Backoff: backoff.Constant(0), ThrottledBackoff: backoff.Constant(0)}
}

func policy(t testing.TB, change func(*retry.Config), opts ...retry.Option) *retry.Policy {
	t.Helper()
	cfg := quick()
	if change != nil {
		change(&cfg)
	}
	p, err := retry.New(cfg, opts...)
	require.NoError(t, err)
	return p
}

// answers serves the statuses in turn, then 200, and records what it saw.
type answers struct {
	*httptest.Server
	mu     sync.Mutex
	codes  []int
	Seen   []*http.Request
	Bodies []string
}

func serve(t testing.TB, codes ...int) *answers {
	t.Helper()
	a := &answers{codes: codes}
	a.Server = httptest.NewServer(http.HandlerFunc(a.handle))
	t.Cleanup(a.Close)
	return a
}

func (a *answers) handle(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	code := http.StatusOK
	if n := len(a.Seen); n < len(a.codes) {
		code = a.codes[n]
	}
	a.Seen = append(a.Seen, r)
	a.Bodies = append(a.Bodies, string(body))
	a.mu.Unlock()
	w.WriteHeader(code)
	_, _ = io.WriteString(w, http.StatusText(code))
}

func (a *answers) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.Seen)
}

// client wraps a transport of its own, whose idle connections do not outlive the test.
func client(t testing.TB, p *retry.Policy, opts ...httpx.Option) *http.Client {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: httpx.NewTransport(base, p, opts...)}
}

func text(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return string(b)
}

func many(n, code int) []int {
	codes := make([]int, n)
	for i := range codes {
		codes[i] = code
	}
	return codes
}

func TestTransport_ForwardsCloseIdleConnections(t *testing.T) {
	base := &idler{}
	tr := httpx.NewTransport(base, nil)
	(&http.Client{Transport: tr}).CloseIdleConnections()
	require.Equal(t, 1, base.closed)
	require.Same(t, base, tr.Unwrap())
	httpx.NewTransport(roundTripFunc(nil), nil).CloseIdleConnections() // has none to forward to
}
