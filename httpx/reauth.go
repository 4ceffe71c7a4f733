package httpx

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/dest"
	"github.com/evenkeel-go/evenkeel/retry"
)

// WithReauth calls renew when an attempt is answered 401, to get new credentials, and sends the
// request again if renew returns nil. It is for [WithBeforeAttempt], which puts the credentials on
// each attempt, or for a RoundTripper below that does.
//
// One renewal is made at a time for each host and port, and all calls that are answered 401 wait
// for it until their contexts end; an attempt that was sent before the latest renewal is sent
// again without another. Hedges of such a call wait for it as well, unless attempts have a
// timeout. If the context of the call that makes the renewal ends, a waiting call makes it
// instead. ctx is the context of the call, so renew has to set a timeout of its own. renew may use
// the response, but must neither read nor close its body. A request that renew sends through the
// same Transport under ctx is not itself reauthenticated.
//
// A call is sent again for a 401 once. The caller gets the second 401, and the first if renew
// returns an error or the response has X-Should-Retry: false. After a renewal that failed or did
// not help, renew is not called for a second, and then for twice as long each time up to a minute,
// until a request is answered with a status below 400.
//
// A 401 shows that the destination works and that the request was not handled, so it is sent again
// whatever its method, if its body can be (otherwise renew is called for later calls). That is a
// retry like others: it counts, waits for its backoff, and is paid for from the budget. Under a
// policy with MaxAttempts 1, renew is never called.
func WithReauth(renew func(ctx context.Context, resp *http.Response) error) Option {
	must(renew != nil, "WithReauth: must not be nil")
	return func(o *options) {
		o.credentials = &credentials{renew: renew, hosts: dest.New[string, *credential](maxCredentials, nil)}
	}
}

const (
	maxCredentials  = 1024 // hosts
	firstRenewPause = time.Second
	lastRenewPause  = time.Minute
)

// credentials holds the state of renewals for all hosts of a Transport.
type credentials struct {
	renew func(context.Context, *http.Response) error
	hosts *dest.Table[string, *credential]
}

// login returns what a call needs to be reauthenticated, or nil if renew makes the call, which
// would wait for itself.
func (cs *credentials) login(req *http.Request) *login {
	if req.URL == nil || req.Context().Value(renewing{cs}) != nil {
		return nil
	}
	e := cs.hosts.GetOrAdd(req.URL.Host, func(*dest.Entry[string, *credential], bool) *credential { return new(credential) })
	return &login{credentials: cs, credential: e.Value}
}

// renewing is the key of a context under which credentials are renewed.
type renewing struct{ *credentials }

// login is a call's state of reauthentication.
type login struct {
	*credentials
	*credential
	to    atomic.Uint64 // the version that the call was sent again for; 0: none
	asked atomic.Bool   // an attempt was answered 401

	sentMu sync.Mutex
	sent   []uint64 // sent[n-1] is the version under which attempt n was sent
}

// await delays an attempt during a renewal if another attempt of the call was answered 401, as
// this one would be. It returns an error if ctx ends first.
func (l *login) await(ctx context.Context) error {
	if l == nil || !l.asked.Load() {
		return nil
	}
	l.mu.Lock()
	f := l.flight
	l.mu.Unlock()
	if f == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.done:
		return nil
	}
}

// sending records the version of the credentials under which an attempt is sent. If they are
// renewed at this moment, that may be the version before.
func (l *login) sending(attempt int) {
	if l == nil {
		return
	}
	v := l.version.Load()
	l.sentMu.Lock()
	defer l.sentMu.Unlock()
	for len(l.sent) < attempt {
		l.sent = append(l.sent, v)
	}
}

func (l *login) sentUnder(attempt int) uint64 {
	l.sentMu.Lock()
	defer l.sentMu.Unlock()
	return l.sent[attempt-1]
}

// correct returns the outcome o of an attempt, or Unprocessed if it was answered 401 and there are
// newer credentials than those it was sent with. Before it waits for a renewal, it calls hold.
func (l *login) correct(
	ctx context.Context, attempt int, resp *http.Response, o retry.Outcome, hold func(*http.Response),
) retry.Outcome {
	sent := l.sentUnder(attempt)
	switch {
	case resp.StatusCode < http.StatusBadRequest:
		l.accepted(sent)
		return o
	case resp.StatusCode != http.StatusUnauthorized || o.Class != retry.Rejected || o.Forbidden != retry.ReasonNone:
		return o
	case shouldRetry(resp.Header) == "false":
		return o
	}
	if to := l.to.Load(); to != 0 && sent >= to {
		l.refused(sent)
		return o
	}
	l.asked.Store(true)
	hold(resp) // renew may need its connection
	v, ok := l.newer(ctx, sent, func() error {
		return l.renew(context.WithValue(ctx, renewing{l.credentials}, true), resp)
	})
	if !ok {
		return o
	}
	l.to.CompareAndSwap(0, v)
	return retry.Outcome{Class: retry.Unprocessed, Evidence: budget.Alive, After: o.After}
}

// credential holds the state of renewals for one host.
type credential struct {
	version atomic.Uint64 // how often they were renewed
	doubted atomic.Bool   // pause is not 0

	mu     sync.Mutex    // guards what follows
	flight *renewal      // under way; nil: none
	pause  time.Duration // after the latest renewal that failed or did not help; 0: none
	until  time.Time     // when pause ends
}

// renewal is one renewal. failed may be read once done is closed.
type renewal struct {
	done   chan struct{}
	failed bool // and not because the context of the call that made it ended
}

// newer returns a version of the credentials other than sent. If there is none it calls renew, or
// waits for a renewal under way. It reports false if that fails, or if there is a pause.
func (c *credential) newer(ctx context.Context, sent uint64, renew func() error) (uint64, bool) {
	for {
		c.mu.Lock()
		v, f := c.version.Load(), c.flight
		switch {
		case v != sent:
			c.mu.Unlock()
			return v, true
		case f == nil && (ctx.Err() != nil || time.Now().Before(c.until)):
			c.mu.Unlock()
			return 0, false
		case f == nil:
			f = &renewal{done: make(chan struct{})}
			c.flight = f
			c.mu.Unlock()
			return c.lead(ctx, f, renew)
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return 0, false
		case <-f.done:
			if f.failed {
				return 0, false
			}
		}
	}
}

// lead calls renew for all calls that wait for f.
func (c *credential) lead(ctx context.Context, f *renewal, renew func() error) (v uint64, ok bool) {
	gaveUp := false
	defer func() { // also after a panic or runtime.Goexit in renew
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flight = nil
		switch {
		case ok:
			v = c.version.Add(1)
		case !gaveUp:
			f.failed = true
			c.startPause()
		}
		close(f.done)
	}()
	err := renew()
	gaveUp = err != nil && ctx.Err() != nil
	return 0, err == nil
}

// refused records that a request was answered 401 although its credentials had just been renewed.
func (c *credential) refused(sent uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version.Load() == sent && !time.Now().Before(c.until) {
		c.startPause()
	}
}

// startPause starts or doubles the pause before the next renewal. It requires that c.mu is held.
func (c *credential) startPause() {
	c.pause = min(max(firstRenewPause, 2*c.pause), lastRenewPause)
	c.until = time.Now().Add(c.pause)
	c.doubted.Store(true)
}

// accepted ends the pause after a request sent under the latest version was answered below 400.
func (c *credential) accepted(sent uint64) {
	if !c.doubted.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version.Load() == sent {
		c.pause, c.until = 0, time.Time{}
		c.doubted.Store(false)
	}
}
