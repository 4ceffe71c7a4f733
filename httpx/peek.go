package httpx

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// peekBytes is how much of a body a classifier sees unless WithPeekLimits says otherwise.
	peekBytes = 64 << 10
	// peekTime is how long that may take to come.
	peekTime = 100 * time.Millisecond
	// maxPeek bounds what WithPeekLimits may ask for: it is held in memory for each answer.
	maxPeek = 16 << 20
)

// peekRules say which bodies a classifier may look at.
type peekRules struct {
	statuses []int         // of the answers
	limit    int           // bytes of a body; 0: no body is looked at
	patience time.Duration // with a body
}

// WithBodyPeek lets the classifier look at the beginning of the bodies of answers with these
// statuses, by [PeekBody]: of 200, for an API that says so there if it failed. The caller still
// gets the whole body. [Classify] itself looks for what it knows there: a quota that is used up,
// and google.rpc.RetryInfo. Without this option it does so in the JSON of 429 alone.
//
// The first look waits until the body has come to its end or to the limit of bytes, but no longer
// than 100 milliseconds; [WithPeekLimits] changes both. So list no status whose bodies are long or
// slow. A look that took too long goes on beside the caller, and net/http fills in the trailers as
// it reads the body's end: read Response.Trailer after that only. Event streams are never looked
// at, nor are an upgraded connection, the answer to HEAD, or 204 and 304.
//
// Each attempt gets a context of its own, which costs a few allocations: it ends a compressed body
// that does not come and is not wanted any more.
//
// It panics if there is no status, or one is not within 200 and 999, or has no body.
func WithBodyPeek(statuses ...int) Option {
	must(len(statuses) > 0, "WithBodyPeek: there must be a status")
	for _, code := range statuses {
		must(code <= 999 && hasBody(code), "WithBodyPeek: %d is no status of an answer with a body", code)
	}
	statuses = slices.Clone(statuses)
	return func(o *options) { o.answers.statuses = append(o.answers.statuses, statuses...) }
}

// WithPeekLimits sets how many bytes of a body are read before the classifier is called, counted
// before and after decompression, and how long to wait for them. The defaults are 64 KiB and 100
// milliseconds. With 0 bytes no body is read, not even that of 429.
//
// It panics if bytes is negative or above 16 MiB, or wait is not positive.
func WithPeekLimits(bytes int, wait time.Duration) Option {
	must(bytes >= 0 && bytes <= maxPeek, "WithPeekLimits: bytes must be within 0 and 16 MiB, not %d", bytes)
	must(wait > 0, "WithPeekLimits: wait must be positive, not %v", wait)
	return func(o *options) { o.answers.limit, o.answers.patience = bytes, wait }
}

// PeekBody returns the beginning of an answer's body to a classifier, decompressed (gzip,
// deflate), and no more than the limit of [WithPeekLimits]. It returns nil outside of a
// classifier, for a status that [WithBodyPeek] does not list, for an event stream and the like,
// for a coding that it does not know, and if nothing came in time. A second call returns the same.
//
// Here the caller is given the whole body all the same, from its first byte.
func PeekBody(resp *http.Response) []byte {
	if resp == nil {
		return nil
	}
	if p, ok := resp.Body.(*peekBody); ok {
		return p.look()
	}
	return nil
}

// peekBody is the body of an answer of which a classifier may see the beginning, and which is then
// the caller's. It reads ahead on a goroutine, because no Read can be given up: what a Read brings
// after the classifier has stopped waiting is the caller's, too.
type peekBody struct {
	body  io.ReadCloser
	limit int
	wait  time.Duration
	// coding is the Content-Encoding. plain says that net/http has removed it.
	coding string
	plain  bool
	length int64 // of the body; 0 or less: unknown
	over   <-chan struct{}
	stop   func() // ends a Read of a plain body; nil: nothing does

	looked bool
	seen   []byte // what the classifier sees
	ahead  chan struct{}

	mu     sync.Mutex
	kept   []byte // read ahead, and not yet by the caller
	err    error  // what reading ahead came to
	enough bool   // read no further ahead
	closed bool
	panics any // what a Read ahead panicked with
}

// look returns what a classifier sees, which it waits for once.
func (b *peekBody) look() []byte {
	if b.looked || b.limit == 0 {
		return b.seen
	}
	b.looked = true
	b.ahead = make(chan struct{})
	go b.readAhead(b.limit)
	timer := time.NewTimer(b.wait)
	defer timer.Stop()
	select {
	case <-b.ahead:
	case <-timer.C:
	case <-b.over:
	}
	b.rest(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.enough = true
	b.seen = decompress(bytes.Clone(b.kept), b.coding, b.limit)
	return b.seen
}

// readAhead reads until there is enough, or limit bytes.
func (b *peekBody) readAhead(limit int) {
	defer close(b.ahead)
	defer func() {
		if v := recover(); v != nil {
			b.keep(nil, nil, v)
		}
	}()
	size := min(limit, 4<<10)
	if b.length > 0 {
		size = int(min(int64(size), b.length))
	}
	buf := make([]byte, size)
	for left := limit; left > 0; {
		n, err := b.body.Read(buf[:min(len(buf), left)])
		left -= n
		if !b.keep(buf[:n], err, nil) {
			return
		}
	}
}

// keep remembers what a Read ahead came to, and reports whether there is to be another.
func (b *peekBody) keep(p []byte, err error, panics any) (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, p...)
	b.err, b.panics = err, panics
	whole := b.length > 0 && int64(len(b.kept)) >= b.length
	return err == nil && panics == nil && !b.enough && !b.closed && !whole
}

// Read implements io.Reader. It waits for a Read ahead, which may have stalled.
func (b *peekBody) Read(p []byte) (int, error) {
	if n, err, done := b.fromKept(p); done {
		return n, err
	}
	if b.ahead != nil {
		b.rest(false)
		<-b.ahead
		if n, err, done := b.fromKept(p); done {
			return n, err
		}
	}
	return b.body.Read(p)
}

// rest keeps a Read ahead that nobody waits for from being taken for one that waits
// ([WithBodyIdleTimeout]).
func (b *peekBody) rest(on bool) {
	if body, ok := b.body.(*idleBody); ok {
		body.rest(on)
	}
}

// fromKept answers a Read with what was read ahead, if it can. Of a closed body nothing can be
// read, as the body itself says.
func (b *peekBody) fromKept(p []byte) (n int, err error, done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, nil, false
	case len(b.kept) > 0:
		n = copy(p, b.kept)
		if b.kept = b.kept[n:]; len(b.kept) == 0 {
			b.kept = nil
		}
		return n, nil, true
	case b.panics != nil:
		panic(b.panics)
	case b.err != nil:
		return 0, b.err, true
	}
	return 0, nil, false
}

// Close implements io.Closer. It ends a Read ahead.
func (b *peekBody) Close() error {
	b.mu.Lock()
	b.closed, b.kept = true, nil
	b.mu.Unlock()
	if !b.plain || !b.reading() {
		return b.body.Close()
	}
	// The Close of a body that net/http decompresses waits for a Read that waits for the header of
	// gzip (Go 1.26). Only the end of its connection or context ends that.
	if b.stop != nil {
		b.stop()
	}
	closed := make(chan error, 1)
	go func() { closed <- b.body.Close() }()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C: // the context, which is about to end, does the rest
		return nil
	}
}

// reading reports whether a Read ahead is under way.
func (b *peekBody) reading() bool {
	if b.ahead == nil {
		return false
	}
	select {
	case <-b.ahead:
		return false
	default:
		return true
	}
}

// peekable gives the answer's body to a classifier that wants to look at it, or returns nil.
func (c *call) peekable(ctx context.Context, resp *http.Response) *peekBody {
	if resp == nil || !c.t.answers.looksAt(c.req, resp, c.once) {
		return nil
	}
	p := &peekBody{
		body: resp.Body, coding: resp.Header.Get("Content-Encoding"), plain: resp.Uncompressed,
		length: resp.ContentLength, over: ctx.Done(),
		limit: c.t.answers.limit, wait: c.t.answers.patience,
	}
	if p.plain {
		p.coding, p.stop = "", c.abortion(resp)
		if p.stop == nil && !c.ends(ctx) {
			return nil
		}
	}
	resp.Body = p
	return p
}

// looksAt reports whether an answer's body may decide. once says that it decides nothing unasked:
// the call is never repeated.
func (r *peekRules) looksAt(req *http.Request, resp *http.Response, once bool) bool {
	if resp.StatusCode != http.StatusTooManyRequests && len(r.statuses) == 0 || r.limit == 0 {
		return false // of nearly all answers
	}
	byDefault := resp.StatusCode == http.StatusTooManyRequests && isJSON(resp.Header) && !once
	if !byDefault && !slices.Contains(r.statuses, resp.StatusCode) {
		return false
	}
	return hasBody(resp.StatusCode) && req.Method != http.MethodHead && req.Method != http.MethodConnect &&
		resp.Body != nil && resp.Body != http.NoBody && !isStream(resp)
}

// hasBody reports whether answers with a status have a body.
func hasBody(code int) bool {
	return code >= 200 && code != http.StatusNoContent && code != http.StatusNotModified
}

// ends reports whether the context of an attempt ends even if the caller's does not: with the
// body, or at a deadline.
func (c *call) ends(ctx context.Context) bool {
	_, deadline := ctx.Deadline()
	return deadline || c.ownCtx || c.bodies.shared
}

// hide ends the classifier's look at the answer's body.
func (b *peekBody) hide(resp *http.Response) {
	switch {
	case b == nil || resp.Body != io.ReadCloser(b):
	case !b.looked:
		resp.Body = b.body
	default:
		b.limit, b.seen = 0, nil
	}
}
