package httpx

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"slices"
	"strings"
)

// decompress returns the beginning of a body, no more than limit bytes, or nil if its coding is
// unknown. It stops at data that is malformed or incomplete.
func decompress(raw []byte, coding string, limit int) []byte {
	if len(raw) == 0 {
		return nil
	}
	var r io.Reader
	var err error
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "", "identity":
		return raw
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(bytes.NewReader(raw))
	case "deflate":
		// The format is zlib's (RFC 9110, section 8.4.1.2), but some servers send raw DEFLATE.
		if r, err = zlib.NewReader(bytes.NewReader(raw)); err != nil {
			r, err = flate.NewReader(bytes.NewReader(raw)), nil
		}
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	plain, _ := io.ReadAll(io.LimitReader(r, int64(limit)))
	return plain
}

// mediaType returns the Content-Type without its parameters, in lower case.
func mediaType(h http.Header) string {
	t, _, _ := strings.Cut(first(h, "Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

func isJSON(h http.Header) bool {
	t := mediaType(h)
	return t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json")
}

// isStream reports whether a body may go on for any time: a stream of events or messages, or an
// upgraded connection.
func isStream(resp *http.Response) bool {
	if _, ok := resp.Body.(io.Writer); ok {
		return true
	}
	t := mediaType(resp.Header)
	return slices.Contains(eventStreams, t) || t == "application/vnd.amazon.eventstream" ||
		strings.HasPrefix(t, "application/grpc")
}
