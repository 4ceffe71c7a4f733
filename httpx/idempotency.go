package httpx

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"

	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Idempotent reports whether a request may have its effect twice. If retry.WithIdempotency on its
// context does not decide that, the request is idempotent if its method is by IANA's registry, or
// if it has an Idempotency-Key or X-Idempotency-Key. PRI, which is no method of a request (RFC
// 9113, section 3.4), never is. As in net/http the key's presence in the map counts: a nil slice
// makes a request idempotent and sends no header.
func Idempotent(req *http.Request) bool {
	if req.Method == methodPRI {
		return false
	}
	switch declaredIdempotency(req) {
	case retry.Idempotent:
		return true
	case retry.NotIdempotent:
		return false
	}
	return isSafe(req.Method) || isRepeatable(req.Method) || hasKey(req)
}

// mayHedge reports whether two attempts of an idempotent request may be made at the same time.
// declared is set if an option declares the request idempotent. Two attempts with a method that
// has effects may interfere, as those of a MOVE do, so if nothing but the method declares the
// request, only PUT and DELETE of such methods are hedged. A tunnel begins a conversation, which
// must not begin twice. Trailers are set while the body is read, in the one map of the request.
func mayHedge(req *http.Request, declared bool) bool {
	switch {
	case opensTunnel(req.Method, req.Header) || req.Trailer != nil:
		return false
	case declared || hasKey(req) || declaredIdempotency(req) == retry.Idempotent:
		return true
	}
	return isSafe(req.Method) || req.Method == http.MethodPut || req.Method == http.MethodDelete
}

const methodPRI = "PRI"

// declaredIdempotency returns what retry.WithIdempotency declared on the request's context.
func declaredIdempotency(req *http.Request) retry.Idempotency {
	return retry.Idempotency(layer.Declared(req.Context()))
}

// isSafe reports whether a method is safe, that is, has no effects, by IANA's HTTP Method Registry
// (of 2026-06-17).
func isSafe(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace,
		"PROPFIND", "QUERY", "REPORT", "SEARCH":
		return true
	}
	return false
}

// isRepeatable reports whether a method has effects, but no others if it is repeated: it is
// idempotent and not safe by the same registry.
func isRepeatable(method string) bool {
	switch method {
	case http.MethodPut, http.MethodDelete, "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL",
		"LINK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH",
		"PROPPATCH", "REBIND", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF",
		"VERSION-CONTROL":
		return true
	}
	return false
}

// hasKey reports whether a request has an idempotency key.
func hasKey(req *http.Request) bool {
	if _, ok := req.Header[headerKey]; ok {
		return true
	}
	_, ok := req.Header[headerXKey]
	return ok
}

// wantsKey reports whether WithIdempotencyKey adds a key to the request.
func wantsKey(req *http.Request) bool {
	return (req.Method == http.MethodPost || req.Method == http.MethodPatch) && !hasKey(req) &&
		declaredIdempotency(req) != retry.NotIdempotent
}

// newKey returns a random UUID (RFC 9562, version 4).
func newKey() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	key := hex.AppendEncode(make([]byte, 0, 36), b[:])
	for _, hyphen := range []int{8, 13, 18, 23} {
		key = slices.Insert(key, hyphen, '-')
	}
	return string(key)
}
