package httpx

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/evenkeel-go/evenkeel/retry"
)

// WithIdempotentPaths declares requests that may have their effect twice, by patterns of
// [http.ServeMux]: "POST /search", "POST /v1/{kind}/search", "POST api.example.com/batch/". They
// are retried and hedged like a PUT. A pattern without a method is for all methods. The path has
// to be clean, as for a ServeMux ("/a//b" is not). A host stands for all its ports, in capitals or
// not. [retry.WithIdempotency] on a request's context goes before this. Given more than once, all
// are declared.
//
// It panics if a pattern is invalid or matches no request, and names each such pattern.
func WithIdempotentPaths(patterns ...string) Option {
	ps, err := newPaths(patterns)
	must(err == nil, "WithIdempotentPaths: %v", err)
	return func(o *options) { o.paths = append(o.paths, ps...) }
}

// paths holds the patterns of WithIdempotentPaths. Patterns that conflict in one ServeMux, which
// must choose between them, are in several.
type paths []*http.ServeMux

// newPaths returns the paths of the patterns, or an error that names each invalid one.
func newPaths(patterns []string) (ps paths, _ error) {
	var wrong []string
	if len(patterns) == 0 {
		wrong = append(wrong, "must name a path")
	}
	for _, p := range patterns {
		before, _, _ := strings.Cut(p, "/")
		method := before[:max(strings.IndexAny(before, " \t"), 0)]
		host := strings.TrimLeft(before[len(method):], " \t")
		err := ps.add(p[:len(before)-len(host)] + strings.Trim(strings.ToLower(host), "[]") + p[len(before):])
		_, _, noPort := net.SplitHostPort(host)
		switch { // a ServeMux accepts what matches no request
		case err != nil:
		case strings.ContainsFunc(method, unicode.IsLower):
			err = fmt.Errorf("the method must be in capitals, not %s", method)
		case strings.ContainsAny(host, " \t") || noPort == nil:
			err = fmt.Errorf("the host must have no space and no port, not %q", host)
		}
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%q: %v", p, err))
		}
	}
	if wrong != nil {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return ps, nil
}

// add adds a pattern to the first ServeMux that accepts it, or to a new one.
func (ps *paths) add(pattern string) error {
	for _, mux := range *ps {
		if handle(mux, pattern) == nil {
			return nil
		}
	}
	mux := http.NewServeMux()
	*ps = append(*ps, mux)
	return handle(mux, pattern)
}

// handle adds a pattern to mux. It returns the panic of mux.Handle as an error.
func handle(mux *http.ServeMux, pattern string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	mux.Handle(pattern, declared{})
	return nil
}

// declared is the handler of a request that is declared idempotent.
type declared struct{}

func (declared) ServeHTTP(http.ResponseWriter, *http.Request) {}

// declares reports whether a pattern declares a request idempotent.
func (ps paths) declares(req *http.Request) bool {
	switch {
	case len(ps) == 0 || req.URL == nil || req.Method == methodPRI || req.Method == http.MethodConnect:
		return false
	case declaredIdempotency(req) != retry.Undeclared:
		return false // as Idempotent reports
	}
	at := url.URL{Host: strings.ToLower(cmp.Or(req.Host, req.URL.Host))}
	asked := &http.Request{Method: cmp.Or(req.Method, http.MethodGet), Host: at.Hostname(), URL: req.URL}
	for _, mux := range ps {
		if h, _ := mux.Handler(asked); h == (declared{}) {
			return true
		}
	}
	return false
}
