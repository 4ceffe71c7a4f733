package httpx_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/leak"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestMain(m *testing.M) { leak.Main(m) }

// quick is a configuration whose retries do not wait.
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

func TestTwo503AreDrainedAndOneConnectionIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &answers{codes: []int{503, 503}}
		var dialled atomic.Int32
		req := request(t, http.MethodGet, "http://pipe/", nil)
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) {
				if !i.Reused {
					dialled.Add(1)
				}
			},
		}))
		resp, err := pipeClient(t, s.handle, policy(t, nil)).Do(req)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "OK", text(t, resp))
		require.Equal(t, 3, s.count())
		require.EqualValues(t, 1, dialled.Load())
		require.Equal(t, []string{"", "2", "3"}, []string{
			s.Seen[0].Header.Get("X-Retry-Attempt"), s.Seen[1].Header.Get("X-Retry-Attempt"), s.Seen[2].Header.Get("X-Retry-Attempt"),
		})
	})
}

func TestReplayedPOSTSendsIdenticalBytes(t *testing.T) {
	s := serve(t, 503, 500)
	req, err := http.NewRequest(http.MethodPost, s.URL, strings.NewReader("pay 5"))
	require.NoError(t, err)
	req.Header.Set("Idempotency-Key", "k1")
	before := req.Header.Clone()
	resp, err := client(t, policy(t, nil)).Do(req)
	require.NoError(t, err)
	require.Equal(t, "OK", text(t, resp))
	require.Equal(t, []string{"pay 5", "pay 5", "pay 5"}, s.Bodies)
	require.Equal(t, before, req.Header)
}

func TestOneFailingHostDoesNotDrainAnothersBudget(t *testing.T) {
	bad, good := serve(t, many(100, 503)...), serve(t, 503, 503)
	c := client(t, policy(t, func(c *retry.Config) { c.Budget = budget.TokenBucket{} }))
	for range 20 {
		resp, err := c.Get(bad.URL)
		require.NoError(t, err)
		text(t, resp)
	}
	require.Less(t, bad.count(), 60, "the bad host's own budget is spent")
	resp, err := c.Get(good.URL)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	text(t, resp)
}

func many(n, code int) []int {
	codes := make([]int, n)
	for i := range codes {
		codes[i] = code
	}
	return codes
}
