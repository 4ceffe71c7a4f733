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
// are retried and hedged as a PUT is. A pattern without a method is for all methods. The path has
// to be clean, as for a ServeMux ("/a//b" is not). A host stands for all its ports, in capitals or
// not. [retry.WithIdempotency] on a request's context goes before this. Given more than once, all
// are declared.
//
// It panics if a pattern is no pattern or finds no request, and names each that is wrong.
func WithIdempotentPaths(patterns ...string) Option {
	ps, err := newPaths(patterns)
	must(err == nil, "WithIdempotentPaths: %v", err)
	return func(o *options) { o.paths = append(o.paths, ps...) }
}

// paths find requests by patterns. Those that conflict in one ServeMux, which must know which of
// two is meant, are in several.
type paths []*http.ServeMux

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
		switch { // what a ServeMux takes, although it finds no request by it
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

// add adds a pattern to the first ServeMux that takes it, or to another.
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

// handle adds a pattern to mux, or returns why that panics.
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

// declare reports whether a pattern declares that a request may have its effect twice.
func (ps paths) declare(req *http.Request) bool {
	switch {
	case len(ps) == 0 || req.URL == nil || req.Method == methodPRI || req.Method == http.MethodConnect:
		return false
	case declaredIdempotency(req) != retry.Undeclared:
		return false // Idempotent has the last word
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
