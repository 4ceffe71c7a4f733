package main

import (
	"net/http"
	"time"
)

// httpHedge has hedging on, and a server so fast that no hedge is ever sent.
func httpHedge() *work {
	hedged := rules{attempts: 3, hedge: time.Second}
	w := &work{name: "http/hedge", what: "a GET with hedging on that needs no hedge", attempts: 1}
	for _, l := range libraries() {
		if l.hedging != nil {
			w.cells = append(w.cells, transportCell(l.name, 0, func(base http.RoundTripper) http.RoundTripper {
				return l.hedging(hedged, base)
			}))
		}
	}
	w.cells = append(w.cells, transportCell(byHandName, 0, func(base http.RoundTripper) http.RoundTripper {
		return handHedge{base, hedged.hedge}
	}))
	w.cells[len(w.cells)-1].bare = true
	w.cells[0].budget = true
	return w
}
