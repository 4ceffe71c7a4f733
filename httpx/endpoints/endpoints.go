package endpoints

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/outlier"
)

// Endpoint is one server: an address or a base URL.
type Endpoint struct {
	// Addr is the address to dial, "host:port", or "host" with the port of the request. Host
	// header and TLS server name stay the request's.
	Addr string
	// URL is the base URL that takes the place of the request's scheme and host, and comes before
	// its path. If it is set, Addr is not used.
	URL *url.URL
	// Weight is the share of requests in relation to the others' weights; 0 means 1, and the most
	// is 65,535.
	Weight int
}

// Resolver finds the endpoints of a host. It is called one at a time, with a context that ends
// after ten seconds.
type Resolver func(ctx context.Context) ([]Endpoint, error)

// Policy names a rule that picks the endpoint of a request.
type Policy uint8

const (
	RoundRobin    Policy = iota // one after the other, by weight
	LeastRequests               // the one with the fewest requests under way in relation to its weight
)

// Config sets how requests are spread over endpoints. The zero value is a good choice.
type Config struct {
	Base     *http.Transport // every endpoint has a clone of it; nil means http.DefaultTransport
	Policy   Policy
	SetAside *outlier.Config // nil: no endpoint is set aside
	Refresh  time.Duration   // how old a list may become; 0 means 30 seconds

	// OnChange, if set, is called when an endpoint is set aside or taken back, besides the
	// observer of the call's policy. It must be quick, and not panic; if it does, the request's
	// caller gets the panic, and the endpoint is released.
	OnChange func(ctx context.Context, e outlier.Event)
}

const (
	defaultRefresh = 30 * time.Second
	soon           = 5 * time.Second // after this an endpoint that cannot be reached causes a lookup
	lookupTimeout  = 10 * time.Second
	idleTimeout    = 90 * time.Second
	mostEndpoints  = 1000
	mostWeight     = 65535
)

// Transport is an http.RoundTripper that spreads requests. It is safe for concurrent use. Make
// one with New.
type Transport struct {
	host    string // as in a URL, with or without a port
	resolve Resolver
	cfg     Config
	base    *http.Transport

	mu     sync.Mutex // guards what follows, and the endpoints
	list   []*endpoint
	group  *outlier.Group
	looked time.Time // when the last lookup began
	lookup *lookup   // nil: none is under way
	sent   uint64    // number of attempts
}

// endpoint is one server of the list.
type endpoint struct {
	Endpoint
	name    string
	rt      *http.Transport
	outlier *outlier.Backend // nil: never set aside
	current int              // the current weight of the smooth weighted round robin
	open    int              // requests under way
	last    uint64           // the number of the latest attempt
	gone    bool             // from the list
}

// New returns a Transport that spreads the requests for a host, as their URLs have it:
// "orders.internal" for any port, "orders.internal:8080" for that port alone.
//
// It panics if an argument is invalid, and names it.
func New(host string, resolve Resolver, cfg Config) *Transport {
	switch {
	case host == "":
		panic("endpoints.New: host must not be empty")
	case resolve == nil:
		panic("endpoints.New: resolve must not be nil")
	case cfg.Policy > LeastRequests:
		panic(fmt.Sprintf("endpoints.New: Config.Policy: unknown value %d", cfg.Policy))
	case cfg.Refresh < 0:
		panic(fmt.Sprintf("endpoints.New: Config.Refresh: must not be negative, not %v", cfg.Refresh))
	}
	if cfg.Refresh == 0 {
		cfg.Refresh = defaultRefresh
	}
	t := &Transport{host: host, resolve: resolve, cfg: cfg, base: cfg.Base}
	if t.base == nil {
		base, ok := http.DefaultTransport.(*http.Transport)
		if !ok {
			panic("endpoints.New: Config.Base: http.DefaultTransport is no *http.Transport")
		}
		t.base = base
	}
	if cfg.SetAside != nil {
		if err := cfg.SetAside.Validate(); err != nil {
			panic(fmt.Sprintf("endpoints.New: Config.SetAside: %v", err))
		}
		t.group = outlier.New(*cfg.SetAside)
	}
	placement.Use() // for as long as the process runs
	return t
}

// serves reports whether requests for a URL go to the endpoints.
func (t *Transport) serves(u *url.URL) bool {
	return u != nil && u.Opaque == "" &&
		(strings.EqualFold(u.Host, t.host) || strings.EqualFold(u.Hostname(), t.host))
}

// RoundTrip sends a request to one of the endpoints. It does not modify req.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.serves(req.URL) {
		return t.base.RoundTrip(req)
	}
	ctx := req.Context()
	if err := t.ready(ctx); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	s := t.pick(placement.From(ctx), time.Now())
	var resp *http.Response
	reported, kept := false, false
	defer func() { // after an error, or a panic or runtime.Goexit in the body, a trace hook or an observer
		if kept {
			return
		}
		if !reported {
			t.end(ctx, s, outlier.Ignored, 0)
		}
		t.release(s.endpoint)
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
	}()
	if s.changed {
		t.publish(ctx, s.call, s.event)
	}
	resp, err := s.endpoint.send(req)
	reported = true
	t.done(ctx, s, resp, err)
	if err != nil {
		return nil, err
	}
	t.count(s.endpoint, resp)
	kept = true
	return resp, nil
}

// CloseIdleConnections closes those of all endpoints, and of Config.Base.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	list := t.list
	t.mu.Unlock()
	for _, e := range list {
		e.rt.CloseIdleConnections()
	}
	t.base.CloseIdleConnections()
}

// sent is one attempt.
type sent struct {
	*endpoint
	at      time.Time
	call    *placement.Call
	attempt *placement.Attempt
	counted outlier.Attempt
	event   outlier.Event // caused by sending it; valid if changed
	changed bool
}

// done ends an attempt that returned a response or an error.
func (t *Transport) done(ctx context.Context, s sent, resp *http.Response, err error) {
	failed := err != nil || sick(resp.StatusCode)
	overtaken := s.call.End(s.attempt, !failed)
	r := outlier.Succeeded
	if failed {
		r = result(ctx, err, overtaken)
	}
	took := time.Duration(0)
	if r != outlier.Failed {
		took = time.Since(s.at)
	}
	t.end(ctx, s, r, took)
	if err != nil && r == outlier.Failed {
		t.refresh(soon)
	}
}

// end reports the result of an attempt to the group, and publishes the event that follows.
func (t *Transport) end(ctx context.Context, s sent, r outlier.Result, took time.Duration) {
	if s.outlier == nil {
		return
	}
	t.mu.Lock()
	e, changed := t.group.Report(time.Now(), s.counted, r, took)
	t.mu.Unlock()
	if changed {
		t.publish(ctx, s.call, e)
	}
}

// publish passes an event to Config.OnChange and to the observer of the call whose attempt caused
// it.
func (t *Transport) publish(ctx context.Context, call *placement.Call, e outlier.Event) {
	e.Destination = t.host
	if t.cfg.OnChange != nil {
		t.cfg.OnChange(ctx, e)
	}
	if call == nil {
		return
	}
	if o, ok := call.Observer.(outlier.Observer); ok {
		o.BackendChanged(call.Context, e)
	}
}

// sick reports whether a status speaks against the server rather than the request.
func sick(code int) bool {
	switch code {
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests
}

// errNone is the error of a lookup that found nothing.
var errNone = errors.New("no endpoints found")

// hostport returns the address to dial in place of the one that the request names.
func (e *endpoint) hostport(named string) string {
	if _, _, err := net.SplitHostPort(e.Addr); err == nil {
		return e.Addr
	}
	_, port, err := net.SplitHostPort(named)
	if err != nil {
		return e.Addr
	}
	return net.JoinHostPort(strings.Trim(e.Addr, "[]"), port)
}
