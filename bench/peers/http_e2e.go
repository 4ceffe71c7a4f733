package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
)

// siteCell sends GETs to a site of its own from 16 callers, with what open makes of a connection
// pool.
func siteCell(library string, site siteKind, w *work, open func(base http.RoundTripper) sender) cell {
	return cell{library: library, budget: library == evenkeel, setup: func() rig {
		s := newSiteOf(site)
		base := s.pool()
		var well, failed, broken atomic.Int64
		send, ctx := open(base), context.Background()
		get := func() {
			switch status, err := send(ctx, http.MethodGet, s.URL, nil); {
			case err != nil:
				broken.Add(1)
			case status == http.StatusOK:
				well.Add(1)
			default:
				failed.Add(1)
			}
		}
		r := rig{
			run: func(n int) { concurrently(n, get) },
			check: func() error {
				if n := broken.Load(); n > 0 {
					return fmt.Errorf("%d calls got no response", n)
				}
				return nil
			},
			answered: func() float64 { return float64(well.Load()) / float64(max(1, well.Load()+failed.Load())) },
			close:    func() error { return s.end(base) },
		}
		if w.attempts > 0 {
			r.sent = func() int { return int(s.requests.Load()) }
		}
		return r
	}}
}

// siteWork has every library that retries HTTP requests send GETs, and bare.
func siteWork(w *work, site siteKind) *work {
	for _, l := range libraries() {
		if l.http != nil {
			w.cells = append(w.cells, siteCell(l.name, site, w, func(base http.RoundTripper) sender {
				return l.clientOf(thrice, base, 0)
			}))
		}
	}
	bare := siteCell("bare", site, w, bareSender)
	bare.bare = true
	w.cells = append(w.cells, bare)
	w.paired, w.cpu, w.span = true, true, e2eSpan
	return w
}

// bareSender returns an http.Client without any library.
func bareSender(base http.RoundTripper) sender { return httpSender(&http.Client{Transport: base}) }

var page = make([]byte, 512)

func answerPage(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) }

func httpE2E() *work {
	return siteWork(&work{
		name: "http/e2e", what: "GETs over loopback TCP from 16 callers, all well", attempts: 1,
	}, siteKind{answer: answerPage})
}

func httpE2ETLS() *work {
	return siteWork(&work{
		name: "http/e2e-tls", what: "the same over TLS, connections kept alive", attempts: 1,
	}, siteKind{answer: answerPage, tls: true})
}

func httpE2EH2() *work {
	return siteWork(&work{
		name: "http/e2e-h2", what: "the same over HTTP/2 and TLS, all on one connection", attempts: 1,
	}, siteKind{answer: answerPage, tls: true, http2: true})
}
