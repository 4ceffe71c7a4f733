package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

// siteKind describes a server.
type siteKind struct {
	answer     http.HandlerFunc
	tls, http2 bool
}

// site is an HTTP server on the loopback interface that counts its connections. It runs in this
// process, so that processor time per request is the client's and the server's together.
type site struct {
	*httptest.Server
	http2    bool
	requests atomic.Int64
	opened   atomic.Int64
	open     atomic.Int64
}

func newSite(h http.HandlerFunc) *site { return newSiteOf(siteKind{answer: h}) }

func newSiteOf(kind siteKind) *site {
	s := &site{http2: kind.http2}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		kind.answer(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.opened.Add(1)
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}
	s.EnableHTTP2 = kind.http2
	if kind.tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	return s
}

// pooled returns a Transport that keeps a connection for each caller.
func pooled() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 4 * callers, MaxIdleConns: 4 * callers}
}

// pool returns a Transport that trusts the site and keeps a connection for each caller, or one
// for all over HTTP/2.
func (s *site) pool() *http.Transport {
	t := pooled()
	if cert := s.Certificate(); cert != nil {
		roots := x509.NewCertPool()
		roots.AddCert(cert)
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
		t.ForceAttemptHTTP2 = s.http2
	}
	return t
}

// end closes idle connections and says whether any is left, or whether there were more than
// callers can use: each that was opened beyond that was lost by a call.
func (s *site) end(base *http.Transport) error {
	base.CloseIdleConnections()
	for range 1000 { // they close in their own time
		if s.open.Load() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	left, opened := s.open.Load(), s.opened.Load()
	s.CloseClientConnections()
	s.Close()
	if left > 0 || opened > 4*callers {
		return &leakError{left, opened}
	}
	return nil
}

// leakError is a finding and no mistake of the measurement.
type leakError struct{ left, opened int64 }

func (e *leakError) Error() string {
	return fmt.Sprintf("opened %d connections for %d callers, and left %d open", e.opened, callers, e.left)
}
