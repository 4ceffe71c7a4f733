package httpx

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
)

// passing lists the TLS alerts that may not come again: something went wrong on the way or in the
// server. All others mean that the two sides do not agree on certificates, versions or names.
var passing = []tls.AlertError{
	10, // unexpected_message
	20, // bad_record_mac
	21, // decryption_failed
	22, // record_overflow
	30, // decompression_failure
	50, // decode_error
	80, // internal_error
	90, // user_canceled
}

// tlsAlert reports whether err is a TLS alert, of either side, and whether that is a passing one.
// crypto/tls exports the type of alerts for QUIC only; its own have the same texts.
func tlsAlert(err error) (passes, ok bool) {
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return slices.Contains(passing, alert), true
	}
	for {
		op, ok := errors.AsType[*net.OpError](err)
		if !ok {
			return false, false
		}
		err = op.Err // of a connection to a proxy, that to the proxy
		if err != nil && (op.Op == "remote error" || op.Op == "local error") {
			text := err.Error()
			return slices.ContainsFunc(passing, func(a tls.AlertError) bool { return a.Error() == text }), true
		}
	}
}
