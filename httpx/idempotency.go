package httpx

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"

	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// Idempotent reports whether a request may have its effect twice: what retry.WithIdempotency
// declared on its context; else whether IANA's registry has its method as idempotent, or it has
// an Idempotency-Key or X-Idempotency-Key. PRI, which is no method of a request (RFC 9113,
// section 3.4), never is. As in net/http the key's presence in the map counts: a nil slice makes
// a request idempotent and sends no header.
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
// With a method that has effects two may get in each other's way, as the two halves of a MOVE do,
// so that only PUT and DELETE are hedged unasked. A tunnel begins a conversation, which is not
// repeated to see who answers first. Trailers are filled in by the body as it is read, all in the
// one map of the request.
func mayHedge(req *http.Request, named bool) bool {
	switch {
	case opensTunnel(req.Method, req.Header) || req.Trailer != nil:
		return false
	case named || hasKey(req) || declaredIdempotency(req) == retry.Idempotent:
		return true
	}
	return isSafe(req.Method) || req.Method == http.MethodPut || req.Method == http.MethodDelete
}

const methodPRI = "PRI"

// declaredIdempotency returns what retry.WithIdempotency declared on the request's context.
func declaredIdempotency(req *http.Request) retry.Idempotency {
	return retry.Idempotency(layer.Declared(req.Context()))
}

// isSafe reports whether a method asks for nothing but an answer, by IANA's HTTP Method Registry
// (of 2026-06-17).
func isSafe(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace,
		"PROPFIND", "QUERY", "REPORT", "SEARCH":
		return true
	}
	return false
}

// isRepeatable reports whether a method has effects, but the same ones if it is repeated: it is
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

func hasKey(req *http.Request) bool {
	if _, ok := req.Header[headerKey]; ok {
		return true
	}
	_, ok := req.Header[headerXKey]
	return ok
}

// wantsKey reports whether an Idempotency-Key would make the request idempotent.
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
