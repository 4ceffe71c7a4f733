package httpx

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/serve"
)

// Handler returns next with the server's side of what a [Transport] sends:
//
//   - The request's deadline comes from Request-Timeout (decimal seconds, "1.5s" or "1.5", or
//     another Go duration), X-Envoy-Expected-Rq-Timeout-Ms (where 0 means none), Grpc-Timeout or
//     Connect-Timeout-Ms, the shortest if there are several. It is put on the context, at most
//     [WithMaxTimeout] away. What is malformed counts as absent.
//   - A request with 0 or less time left is answered with 504 Gateway Timeout and
//     X-Should-Retry: false, and next is not called: nobody waits for the answer any more. A gRPC
//     request is refused as grpcx does, with a status and a pushback that gRPC clients obey.
//   - CONNECT and Upgrade (a WebSocket) get no deadline: it would be that of the handshake, and
//     cut off the conversation after it.
//   - [Attempt] returns the attempt number that the client sent.
//   - If a call made under the request's context, over HTTP or gRPC or by retry.Do, was given up
//     (out of attempts or budget, or asked not to retry), and next then fails with 5xx or 429, the
//     answer says X-Should-Retry: false, so that only one layer of a stack retries. next need
//     only pass the context on.
//   - With [WithRetryBudget] each answer that a client would retry is charged to a budget of the
//     server, and says X-Should-Retry: false when that is empty.
//   - X-Criticality says how important the request is. It is put on the context, from which a
//     Transport sends it on, and decides with [WithLoadShedding] what is refused first. Without
//     [WithTrust] it counts as CRITICAL at most.
//
// The http.ResponseWriter that next gets implements http.Flusher, http.Hijacker, http.Pusher and
// io.ReaderFrom if the one below does, and http.CloseNotifier if the one below is net/http's own.
// An http.ResponseController works through it. http.MaxBytesReader cannot close the connection
// through it: that needs net/http's own writer. Handler panics if next or an option is nil.
func Handler(next http.Handler, opts ...HandlerOption) http.Handler {
	must(next != nil, "Handler: nil handler")
	h := &handler{next: next, max: defaultMaxTimeout}
	for _, opt := range opts {
		if opt == nil {
			panic("httpx.Handler: HandlerOption: must not be nil")
		}
		opt(h)
	}
	return h
}

type handler struct {
	next     http.Handler
	max      time.Duration
	observed []func(*http.Request, int) // of OnAttempt

	budget  func(*http.Request) *budget.Answers // of a request; nil: none
	limiter *serve.Limiter                      // nil: none
	trusts  func(*http.Request) bool            // nil: no request
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	attempt := parseAttempt(r.Header)
	for _, observe := range h.observed {
		observe(r, attempt)
	}
	left, timed := requestTimeout(r.Header)
	tunnel := opensTunnel(r.Method, r.Header)
	timed = timed && !tunnel
	if timed && left <= 0 {
		refuse(w, r, http.StatusGatewayTimeout, "the request's deadline has passed")
		return
	}
	criticality, said := serve.Incoming(first(r.Header, headerCriticality), h.trusts, r)
	if h.limiter != nil && !tunnel {
		if !h.limiter.Enter(attempt, criticality) {
			refuse(w, r, http.StatusServiceUnavailable, "the server is overloaded")
			return
		}
		defer h.limiter.Leave()
	}
	ctx, mark := layer.With(r.Context())
	if said {
		ctx = layer.WithCriticality(ctx, criticality)
	}
	if attempt > 1 {
		ctx = context.WithValue(ctx, attemptKey{}, attempt)
	}
	if timed {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, min(left, h.max))
		defer cancel()
	}
	inner := r.WithContext(ctx)
	if r.Body != nil && r.Trailer == nil && r.ContentLength < 0 && r.ProtoMajor == 1 {
		inner.Body = &trailedBody{r.Body, r, inner}
	}
	defer tidy(r, inner) // also after a panic
	h.serve(&writer{ResponseWriter: w, mark: mark, ctx: r.Context()}, r, inner)
}

// serve calls the next handler with inner, a copy of r with another context, and charges the
// budget.
func (h *handler) serve(w *writer, r, inner *http.Request) {
	if h.budget == nil {
		h.next.ServeHTTP(wrapWriter(w), inner)
		return
	}
	w.budget = h.budget(r)
	w.request = w.budget.Begin()
	panicked := true
	defer func() { w.end(panicked) }()
	h.next.ServeHTTP(wrapWriter(w), inner)
	panicked = false
}

// tidy does for the request's copy what net/http does for r: it removes the files of a form that
// next parsed. It copies the pattern that a ServeMux set, and the parsed values, to r, for the
// handlers around this one.
func tidy(r, inner *http.Request) {
	if r.MultipartForm == nil && inner.MultipartForm != nil {
		_ = inner.MultipartForm.RemoveAll()
	}
	if r.Form == nil {
		r.Form = inner.Form
	}
	if r.PostForm == nil {
		r.PostForm = inner.PostForm
	}
	if inner.Pattern != r.Pattern {
		r.Pattern = inner.Pattern
	}
}

// trailedBody passes the trailer of an HTTP/1 request that announced none from the request that
// net/http sets it on to the copy of that.
type trailedBody struct {
	io.ReadCloser
	from, to *http.Request
}

func (b *trailedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF || err == http.ErrBodyReadAfterClose { // net/http does not set it any more
		b.to.Trailer = b.from.Trailer
	}
	return n, err
}

// refuse answers a request that next is not called for. After a passed deadline status is 504: 408
// would ask for a retry, and 503 would report overload.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	w.Header().Set(headerShouldRetry, "false")
	if kind := first(r.Header, "Content-Type"); strings.HasPrefix(kind, "application/grpc") {
		refuseGRPC(w, kind, status, text)
		return
	}
	http.Error(w, text, status)
}

// refuseGRPC answers a gRPC or gRPC-Web request with the status of grpcx's refusals, in the header
// as an answer without messages has it. gRPC clients read a 503 or 504 as UNAVAILABLE, which they
// may retry, and do not read X-Should-Retry.
func refuseGRPC(w http.ResponseWriter, kind string, status int, text string) {
	code := "8" // RESOURCE_EXHAUSTED
	if status == http.StatusGatewayTimeout {
		code = "4" // DEADLINE_EXCEEDED
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Grpc-Status", code)
	h.Set("Grpc-Message", text)
	h.Set("Grpc-Retry-Pushback-Ms", "-1")
	w.WriteHeader(http.StatusOK)
}

type attemptKey struct{}

// Attempt returns the attempt number that the client sent with the request, or 1 if it sent none.
// ctx is the request's context inside a [Handler]. Numbers above 1 are resends.
func Attempt(ctx context.Context) int {
	if n, ok := ctx.Value(attemptKey{}).(int); ok {
		return n
	}
	return 1
}

// maxAttempt bounds the attempt number that a client may claim.
const maxAttempt = 1_000_000

// parseAttempt parses X-Retry-Attempt, which counts from 1, or grpc-previous-rpc-attempts, which
// counts from 0. It returns 1 without either.
func parseAttempt(h http.Header) int {
	if n, ok := parseCount(first(h, headerAttempt)); ok {
		return max(n, 1)
	}
	n, _ := parseCount(first(h, "Grpc-Previous-Rpc-Attempts"))
	return min(n+1, maxAttempt)
}

// parseCount parses a whole number, of which it returns at most maxAttempt.
func parseCount(v string) (int, bool) {
	n, ok := parseDecimal(v)
	if !ok || !isDigits(v) {
		return 0, false
	}
	return int(min(n.whole, maxAttempt)), true
}
