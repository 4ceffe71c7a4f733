package main

import (
	"context"
	"net/http"
)

// nativeCell measures a library's own client with its timeout, for libraries that are no
// http.Client and no RoundTripper.
func nativeCell(l *library, method string, failed bool) cell {
	return cell{library: l.name, setup: func() rig {
		m, ctx := &memory{failed: failed}, context.Background()
		var body []byte
		if method == http.MethodPut {
			body = make([]byte, putSize)
		}
		send := l.client(thrice, m, userTimeout)
		return rig{
			sent: m.sent,
			run: func(n int) {
				for range n {
					_, _ = send(ctx, method, memoryURL, body)
				}
			},
			check: func() error { return m.gotAll(&asked{size: int64(len(body))}) },
		}
	}}
}
