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
	// peekBytes is how much of a body a classifier sees without WithPeekLimits.
	peekBytes = 64 << 10
	// peekTime is how long a classifier waits for it.
	peekTime = 100 * time.Millisecond
	// maxPeek bounds the bytes of WithPeekLimits, which are held in memory for each answer.
	maxPeek = 16 << 20
)

// peekRules say which bodies a classifier may read ahead.
type peekRules struct {
	statuses []int         // of WithBodyPeek
	limit    int           // bytes of a body; 0: no body is read
	patience time.Duration // how long to wait for them
}

// WithBodyPeek lets the classifier call [PeekBody] on answers with these statuses, such as 200
// from an API that reports failures in the body. The caller still gets the whole body. [Classify]
// looks in the JSON of statuses of 400 and above for a used-up quota and for the wait that the
// server asks for; without this option only in that of 429.
//
// The first PeekBody waits for the end of the body or for 64 KiB of it, but no longer than 100
// milliseconds; [WithPeekLimits] changes both. So list no status whose bodies are long or slow.
// A Read that takes longer goes on in the background and, at the end of the body, sets the
// trailers: use Response.Trailer only after Read has returned io.EOF. Event streams are never read
// ahead, nor are an upgraded connection, the answer to HEAD, or 204 and 304.
//
// Each attempt gets a context of its own, which costs a few allocations, to end a Read of a
// compressed body that stalls.
//
// It panics if there is no status, or if one is not from 200 to 999 or has no body.
func WithBodyPeek(statuses ...int) Option {
	must(len(statuses) > 0, "WithBodyPeek: there must be a status")
	for _, code := range statuses {
		must(code <= 999 && hasBody(code), "WithBodyPeek: %d is no status of an answer with a body", code)
	}
	statuses = slices.Clone(statuses)
	return func(o *options) { o.answers.statuses = append(o.answers.statuses, statuses...) }
}

// WithPeekLimits sets how many bytes of a body the first [PeekBody] reads, counted before and
// after decompression, and how long it waits for them. The defaults are 64 KiB and 100
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
// classifier, for a status that [WithBodyPeek] does not list (but for the JSON of a 429), for an
// event stream and the like, for a coding that it does not know, and if nothing came in time. A
// second call returns the same.
//
// The caller still gets the whole body, from its first byte.
func PeekBody(resp *http.Response) []byte {
	if resp == nil {
		return nil
	}
	if p, ok := resp.Body.(*peekBody); ok {
		return p.look()
	}
	return nil
}

// peekBody is the body of an answer whose beginning a classifier may read before the caller does.
// It reads ahead on a goroutine, because a Read cannot be given up: what it returns after the
// classifier has stopped waiting is kept for the caller.
type peekBody struct {
	body   io.ReadCloser
	limit  int // bytes
	wait   time.Duration
	coding string          // the Content-Encoding
	plain  bool            // net/http has removed the coding
	length int64           // of the body; 0 or less: unknown
	over   <-chan struct{} // closed when the call's context ends
	stop   func()          // ends a Read of a plain body; nil: nothing does

	held   bool          // by Hold, which does not wait
	looked bool          // look was called, or must not read ahead
	seen   []byte        // what look returned
	ahead  chan struct{} // closed when reading ahead is done; nil: it has not begun

	mu     sync.Mutex // guards what follows
	kept   []byte     // read ahead, and not yet by the caller
	err    error      // ended reading ahead
	enough bool       // read no further ahead
	closed bool
	panics any // recovered from a Read ahead, for the caller's Read
}

// look returns the beginning of the body. Only the first call reads ahead and waits.
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

// readAhead reads limit bytes, or until keep reports false.
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

// keep stores the result of a Read ahead, and reports whether to read on.
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

// rest(true) stops the timeout of [WithBodyIdleTimeout] while nobody waits for a Read ahead;
// rest(false) restarts it.
func (b *peekBody) rest(on bool) {
	if body, ok := b.body.(*idleBody); ok {
		body.rest(on)
	}
}

// fromKept answers a Read with what was read ahead, if it can. After Close the body's own Read
// returns the error.
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
	if b.stop == nil { // the attempt's context ends next
		go b.body.Close()
		return nil
	}
	b.stop()
	closed := make(chan error, 1)
	go func() { closed <- b.body.Close() }()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C: // the Read goes on
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

// peekable replaces the answer's body by one that a classifier may read ahead, and returns that.
// It returns nil if the classifier must not.
func (c *call) peekable(ctx context.Context, resp *http.Response) *peekBody {
	if resp == nil || !c.t.answers.allow(c.req, resp, c.once) {
		return nil
	}
	p := &peekBody{
		body: resp.Body, coding: resp.Header.Get("Content-Encoding"), plain: resp.Uncompressed,
		length: resp.ContentLength, over: ctx.Done(),
		limit: c.t.answers.limit, wait: c.t.answers.patience,
	}
	if p.plain {
		p.coding, p.stop = "", c.aborter(resp)
		if p.stop == nil && !c.ends(ctx) {
			return nil
		}
	}
	resp.Body = p
	return p
}

// allow reports whether a classifier may read an answer's body. Without WithBodyPeek it may not if
// the call is never repeated (once).
func (r *peekRules) allow(req *http.Request, resp *http.Response, once bool) bool {
	if resp.StatusCode != http.StatusTooManyRequests && len(r.statuses) == 0 || r.limit == 0 {
		return false // as for nearly all answers
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

// hide ends the classifier's access to the answer's body.
func (b *peekBody) hide(resp *http.Response) {
	switch {
	case b == nil || resp.Body != io.ReadCloser(b):
	case !b.looked:
		resp.Body = b.body
	default:
		b.limit, b.seen = 0, nil
	}
}
