package httpx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// bodies provides the request body of each attempt of a call: the original to the first, and to
// later ones a copy by GetBody or, without GetBody, what a recording has kept. The receiver of a
// body closes it.
type bodies struct {
	req    *http.Request
	record *recording // of a body without GetBody; nil: none

	mu     sync.Mutex // held during GetBody, and guards what follows
	reader *replay    // of the attempt under way
	fences []*fence   // of the attempt under way; of all, if they run side by side
	past   []*fence   // of attempts that were cut; not guarded by mu: without hedges only
	taken  bool       // the first attempt has its body, and closes it
	over   bool       // no further attempt will be made
	failed error      // the latest error of GetBody, which ends the call

	// These are set before the first attempt.
	fenced bool // each body is behind a fence
	shared bool // attempts run side by side
}

// init prepares the bodies of req. A recording keeps up to limit bytes. With once only one attempt
// will be made, and nothing is kept.
func (b *bodies) init(req *http.Request, limit int, once bool) {
	b.req = req
	switch {
	case b.none() || once || inMemory(req):
	case req.GetBody != nil:
		b.fenced = true
	default:
		b.record = newRecording(req.Body, limit)
	}
}

// guarded reports whether an attempt is kept from reading on when it is over.
func (b *bodies) guarded() bool { return b.fenced || b.record != nil }

// none reports whether the request has no body.
func (b *bodies) none() bool { return b.req.Body == nil || b.req.Body == http.NoBody }

// copies reports whether attempts can each read a copy of their own at the same time.
func (b *bodies) copies() bool { return b.none() || b.req.GetBody != nil }

// next returns the body of an attempt, or nil if that is the request's own. It waits for Reads of
// the attempts that were cut, whose bodies GetBody may rewind, until ctx ends.
func (b *bodies) next(ctx context.Context, attempt int) (io.ReadCloser, error) {
	if b.none() {
		return nil, nil
	}
	for len(b.past) > 0 {
		if err := b.past[0].idle(ctx); err != nil {
			return nil, err
		}
		b.past = b.past[1:]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = b.taken || attempt == 1
	switch {
	case b.record != nil:
		b.reader = b.record.open()
		return b.reader, nil
	case attempt > 1:
		return b.copy()
	case b.fenced:
		return b.fence(b.req.Body), nil
	}
	return nil, nil
}

// again returns another copy of the body; it is used as the GetBody of a fenced attempt. It
// leaves other copies open: net/http sends some requests twice by itself, and a signer reads a
// copy before the attempt is sent.
func (b *bodies) again() (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over { // there is no later attempt that a copy could disturb
		return b.req.GetBody()
	}
	return b.copy()
}

var errNoCopy = errors.New("httpx: GetBody returned neither a body nor an error")

// copy returns another body from GetBody. A RoundTripper below gets GetBody's own error. It
// requires that b.mu is held.
func (b *bodies) copy() (body io.ReadCloser, err error) {
	if b.req.GetBody != nil {
		body, err = b.req.GetBody()
	}
	if err == nil && body == nil {
		err = errNoCopy
	}
	if err != nil {
		b.failed = err
		return nil, err
	}
	return b.fence(body), nil
}

// fence puts a fence in front of body if the call needs fences. It requires that b.mu is held.
func (b *bodies) fence(body io.ReadCloser) io.ReadCloser {
	if !b.fenced || body == http.NoBody {
		return body
	}
	f := &fence{body: body, reading: make(chan struct{}, 1)}
	b.fences = append(b.fences, f)
	return f
}

// closeAtEnd closes an attempt's body if the attempt's own context ends before the returned
// function is called. Over HTTP/1, net/http does not return before a Read of the body has, which
// only Close ends; an attempt timeout would not be kept, and the loser of a race would hold up the
// winner.
func closeAtEnd(ctx context.Context, body io.Closer) (stop func() bool) {
	return context.AfterFunc(ctx, func() { body.Close() })
}

// hold reports whether the body can be sent again, and keeps it so until cut or end.
func (b *bodies) hold() bool {
	if b.record != nil {
		return b.record.hold()
	}
	return b.copies()
}

// cut keeps the latest attempt, which is over, from reading on: its upload may still be running.
// With hedges the latest is unknown, and GetBody has to give copies that do not share a file's
// offset, as its contract says.
func (b *bodies) cut() {
	if !b.guarded() || b.shared {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reader != nil {
		b.reader.stop()
		b.reader = nil
	}
	for _, f := range b.fences {
		f.stop()
	}
	b.past, b.fences = append(b.past, b.fences...), nil
}

// end is called when no further attempt will be made. The latest may still be reading. If there
// was none, end closes the body. Only the first call of end does anything.
func (b *bodies) end() {
	if b.none() {
		return
	}
	b.mu.Lock()
	ended := b.over
	b.over = true
	b.mu.Unlock()
	switch {
	case ended:
	case b.record != nil:
		b.record.release()
	case !b.taken:
		b.req.Body.Close()
	}
}

// broke reports whether an attempt failed with err because its body did.
func (b *bodies) broke(err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed != nil && errors.Is(err, b.failed) || b.reader != nil && b.reader.broke(err) ||
		slices.ContainsFunc(b.fences, func(f *fence) bool { return f.broke(err) })
}

// inMemory reports whether the request's GetBody is one that http.NewRequest makes for a
// bytes.Buffer, bytes.Reader or strings.Reader: its copies share nothing that changes, and no
// fence is needed. To compare the function's code costs 2 ns in this common case; to inspect the
// Body costs 11.
func inMemory(req *http.Request) bool {
	return req.GetBody != nil && slices.Contains(memoryCopies[:], reflect.ValueOf(req.GetBody).Pointer())
}

// memoryCopies holds the code pointers of those functions.
var memoryCopies = [...]uintptr{
	getBodyOf(bytes.NewBufferString("x")), getBodyOf(bytes.NewReader([]byte("x"))), getBodyOf(strings.NewReader("x")),
}

// getBodyOf returns the code pointer of the GetBody that http.NewRequest makes for body.
func getBodyOf(body io.Reader) uintptr {
	req, err := http.NewRequest(http.MethodPost, "http://localhost", body)
	if err != nil {
		panic(err)
	}
	return reflect.ValueOf(req.GetBody).Pointer()
}

var errCut = errors.New("httpx: the attempt that reads this body is over")

// fence stands between an attempt and its body. GetBody often rewinds one file instead of opening
// another, and a response may arrive while the upload is still running: without a fence the old
// attempt would take bytes from the next.
type fence struct {
	body    io.ReadCloser
	failed  atomic.Bool // a Read failed before Close
	closed  atomic.Bool
	over    atomic.Bool           // later Reads fail
	closing atomic.Pointer[error] // returned by the body's Close; nil: none
	reading chan struct{}         // holds one during body.Read; a Mutex would stop synctest's clock
}

func (f *fence) Read(p []byte) (int, error) {
	f.reading <- struct{}{}
	defer func() { <-f.reading }()
	if f.over.Load() {
		return 0, errCut
	}
	n, err := f.body.Read(p)
	if err != nil && err != io.EOF && !f.closed.Load() {
		f.failed.Store(true)
	}
	return n, err
}

func (f *fence) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	err := f.body.Close()
	if err != nil {
		f.closing.Store(&err)
	}
	return err
}

// stop closes the body, which unblocks a Read under way (as http.Request.Body demands). Later
// Reads fail.
func (f *fence) stop() {
	f.over.Store(true)
	f.Close()
}

// idle waits for a Read under way, after stop. It returns an error if ctx ends first.
func (f *fence) idle(ctx context.Context) error {
	select {
	case f.reading <- struct{}{}:
		<-f.reading
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// broke reports whether a Read of the body failed, or its Close caused the attempt's error.
func (f *fence) broke(err error) bool {
	closing := f.closing.Load()
	return f.failed.Load() || closing != nil && errors.Is(err, *closing)
}
