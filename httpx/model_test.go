package httpx_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// model is a RoundTripper that does what the contract allows, at random times: it reads a
// request's body fast, slowly, in part or never, beside and after its own return, and closes it
// during a Read.
type model struct {
	mu       sync.Mutex
	rng      *rand.Rand
	content  string       // of the request
	requests []*modelBody // every body of the request
	answers  []*modelBody
	wrong    []string // what was sent and is not the beginning of content
}

func (m *model) n(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.IntN(n)
}

// soon returns a multiple of 5ms, so that much happens at the same instant.
func (m *model) soon() time.Duration { return time.Duration(max(0, m.n(8)-3)) * 5 * time.Millisecond }

// modelBody is a body of a request or an answer.
type modelBody struct {
	m       *model
	content string
	at      int
	end     error // returned after content; nil: Read blocks until Close
	closed  chan struct{}
	close   func()
}

var errModel = errors.New("broken or closed")

func (m *model) body(list *[]*modelBody, content string) *modelBody {
	b := &modelBody{m: m, content: content, closed: make(chan struct{})}
	b.close = sync.OnceFunc(func() { close(b.closed) })
	b.end = []error{io.EOF, io.EOF, io.EOF, io.EOF, errModel, nil}[m.n(6)]
	m.mu.Lock()
	defer m.mu.Unlock()
	*list = append(*list, b)
	return b
}

func (b *modelBody) Read(p []byte) (int, error) {
	select {
	case <-time.After(b.m.soon()):
	case <-b.closed:
	}
	select {
	case <-b.closed: // also if the time was over as well
		return 0, errModel
	default:
	}
	if n := copy(p[:min(len(p), 1+b.m.n(9))], b.content[b.at:]); n > 0 || len(p) == 0 {
		b.at += n
		return n, nil
	}
	if b.end == nil {
		<-b.closed
		return 0, errModel
	}
	return 0, b.end
}

func (b *modelBody) Close() error {
	b.close()
	return nil
}

func (m *model) RoundTrip(r *http.Request) (*http.Response, error) {
	over := make(chan struct{})
	if r.Body != nil {
		go m.upload(r.Body, over)
	}
	select {
	case <-time.After(m.soon()):
	case <-r.Context().Done():
		time.Sleep(m.soon()) // it notices late
		close(over)
		return nil, r.Context().Err()
	}
	if m.n(5) == 0 {
		go func() { time.Sleep(m.soon()); close(over) }()
		return nil, io.ErrUnexpectedEOF
	}
	answer := m.body(&m.answers, "answer")
	go func() { // as in HTTP/1, the upload ends with the answer
		defer close(over)
		select {
		case <-answer.closed:
		case <-r.Context().Done():
		}
	}()
	return reply([]int{200, 200, 503, 401, 404}[m.n(5)], answer), nil
}

// upload reads some of a request's body, at most until over is closed.
func (m *model) upload(body io.ReadCloser, over <-chan struct{}) {
	limit := int64(m.n(2 * len(m.content)))
	read := make(chan struct{})
	go func() {
		defer close(read)
		sent, _ := io.ReadAll(io.LimitReader(body, limit))
		if !strings.HasPrefix(m.content, string(sent)) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.wrong = append(m.wrong, string(sent))
		}
		body.Close()
	}()
	<-over
	body.Close()
	<-read
}

// call makes a call with a random policy, options and body, and uses its answer.
func (m *model) call(t *testing.T, p *testkit.Parent, seen retry.Observer, b budget.Budget) {
	cfg := retry.Config{MaxAttempts: 1 + m.n(4), Backoff: backoff.Constant(m.soon()), Budget: budget.Shared(b)}
	if m.n(2) == 0 {
		cfg.Hedge = timeout.Fixed(m.soon() + time.Millisecond)
	}
	if m.n(2) == 0 {
		cfg.AttemptTimeout = timeout.Fixed(m.soon() + 5*time.Millisecond)
	}
	opts := slices.DeleteFunc([]httpx.Option{
		httpx.WithBodyBuffer(m.n(50)), httpx.WithBodyPeek(200, 503), httpx.WithBodyIdleTimeout(m.soon() + time.Millisecond),
		httpx.WithReauth(func(ctx context.Context, _ *http.Response) error { return testkit.Pause(ctx, m.soon()) }),
	}, func(httpx.Option) bool { return m.n(2) == 0 })
	policy, err := retry.New(cfg, retry.WithObserver(seen))
	require.NoError(t, err)
	req := request(t, http.MethodPut, "http://h/", m.body(&m.requests, m.content)).WithContext(p)
	if m.n(2) == 0 {
		req.GetBody = func() (io.ReadCloser, error) { return m.body(&m.requests, m.content), nil }
	}
	resp, err := httpx.NewTransport(m, policy, opts...).RoundTrip(req)
	require.NotEqual(t, err == nil, resp == nil)
	if err != nil {
		return
	}
	time.AfterFunc(5*m.soon(), func() { resp.Body.Close() }) // perhaps during a Read
	if m.n(3) > 0 {
		text, _ := io.ReadAll(resp.Body)
		require.True(t, strings.HasPrefix("answer", string(text)), "%q", text)
	}
	time.Sleep(time.Second)
}

func TestModel_RandomTimesLeaveNothing(t *testing.T) {
	for seed := range uint64(600) {
		synctest.Test(t, func(t *testing.T) {
			m := &model{rng: rand.New(rand.NewPCG(seed, 0)), content: strings.Repeat("0123456789", 4)}
			ledger, seen, parent := testkit.NewLedger(), new(testkit.Watcher), testkit.NewParent()
			m.call(t, parent, seen, ledger)
			time.Sleep(time.Hour)
			for _, b := range slices.Concat(m.requests, m.answers) {
				<-b.closed // if it is not closed, synctest reports a deadlock
			}
			require.Empty(t, m.wrong, "seed %d", seed)
			ledger.Settled(t)
			require.Zero(t, parent.Registered(), "seed %d", seed)
			require.Len(t, seen.Reports, 1)
			require.Equal(t, "call", seen.Order[len(seen.Order)-1])
			require.Len(t, seen.Attempts, seen.Reports[0].Attempts, "seed %d", seed)
		})
	}
}
