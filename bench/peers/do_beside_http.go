package main

import (
	"context"
	"net/http"
)

// doBesideHTTP measures do/ok in a process in which a request of evenkeel's has ended with a 503
// after retries. From then on Do watches the calls made in its operations: one layer retries. It
// comes after the other works of Do, which such a process would slow down.
func doBesideHTTP() *work {
	cells := okCells(context.Background())
	setup := cells[0].setup
	cells[0].setup = func() rig {
		rt := evenkeelTransport(thrice, statuses(http.StatusServiceUnavailable))
		if resp, err := rt.RoundTrip(get()); err == nil {
			_ = resp.Body.Close()
		}
		return setup()
	}
	return &work{
		name: "do/beside-http", what: "a call that succeeds, where a request over httpx has once been given up after retries",
		attempts: 1, cells: cells,
	}
}
