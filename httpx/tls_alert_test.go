package httpx_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestTLSAlerts_ClassifiedByMeaning(t *testing.T) {
	for alert, class := range map[tls.AlertError]retry.Class{
		10: retry.Transient, 20: retry.Transient, 22: retry.Transient, 50: retry.Transient, 80: retry.Transient, 90: retry.Transient,
		40: retry.Rejected, 42: retry.Rejected, 43: retry.Rejected, 44: retry.Rejected, 45: retry.Rejected, 46: retry.Rejected,
		47: retry.Rejected, 48: retry.Rejected, 49: retry.Rejected, 51: retry.Rejected, 70: retry.Rejected, 71: retry.Rejected,
		86: retry.Rejected, 112: retry.Rejected, 116: retry.Rejected, 120: retry.Rejected, 200: retry.Rejected,
	} {
		unexported := errors.New(alert.Error()) // as that of crypto/tls
		for _, op := range []string{"remote error", "local error"} {
			err := &net.OpError{Op: op, Err: unexported}
			require.Equal(t, class, httpx.Classify(nil, nil, err).Class, err)
			proxy := &net.OpError{Op: "proxyconnect", Net: "tcp", Err: err}
			if class == retry.Transient { // nothing was sent
				require.Equal(t, retry.Unprocessed, httpx.Classify(nil, nil, proxy).Class, proxy)
			} else {
				require.Equal(t, class, httpx.Classify(nil, nil, proxy).Class, proxy)
			}
		}
		require.Equal(t, class, httpx.Classify(nil, nil, alert).Class, "QUIC: %v", alert)
	}
}

// tlsServer starts a server whose first fail handshakes fail with internal_error. It counts
// requests and handshakes.
func tlsServer(t *testing.T, h2 bool, fail int32) (s *httptest.Server, got, handshakes *atomic.Int32) {
	got, handshakes = new(atomic.Int32), new(atomic.Int32)
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if handshakes.Add(1) <= fail {
			return nil, errors.New("out of file descriptors")
		}
		return nil, nil
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, got, handshakes
}

func TestTLSHandshake_FailureSentNothing(t *testing.T) {
	for _, proto := range []string{"h1", "h2"} {
		for way, p := range policies(t) {
			if way == "never" {
				continue
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				t.Run(proto+"/"+way+"/"+method, func(t *testing.T) {
					s, got, _ := tlsServer(t, proto == "h2", 2)
					c := s.Client()
					c.Transport = httpx.NewTransport(c.Transport, p)
					resp, err := c.Do(request(t, method, s.URL, strings.NewReader("pay 5")))
					require.NoError(t, err)
					text(t, resp)
					require.EqualValues(t, 1, got.Load())
				})
			}
		}
	}
}

func TestTLSHandshake_FailurePaysForEachAttempt(t *testing.T) {
	s, got, handshakes := tlsServer(t, false, 1000)
	var seen recorder
	tr := httpx.NewTransport(s.Client().Transport, policy(t, nil, retry.WithObserver(&seen)))
	_, err := tr.RoundTrip(request(t, http.MethodPost, s.URL, strings.NewReader("pay 5")))
	require.ErrorContains(t, err, "internal error")
	require.Zero(t, got.Load())
	require.EqualValues(t, 3, handshakes.Load())
	for _, a := range seen.attempts {
		require.Equal(t, retry.Outcome{Class: retry.Unprocessed}, a.Outcome)
	}
}

// garbler is a connection that spoils one byte, once told to: the other side's in the records that
// it reads, its own in those that it writes.
type garbler struct {
	net.Conn
	read, write *atomic.Bool
}

func (c garbler) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 20 && c.read.Swap(false) {
		p[n-1] ^= 1
	}
	return n, err
}

func (c garbler) Write(p []byte) (int, error) {
	if c.write.Swap(false) {
		p = bytes.Clone(p)
		p[len(p)-1] ^= 1
	}
	return c.Conn.Write(p)
}

// TestTLSAlert_AfterHandshakeIsLostConnection has a record arrive damaged: one side or the
// other answers with bad_record_mac, and nobody knows whether the request was processed.
func TestTLSAlert_AfterHandshakeIsLostConnection(t *testing.T) {
	for _, op := range []string{"remote error", "local error"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(op+"/"+method, func(t *testing.T) {
				s, _, handshakes := tlsServer(t, false, 0)
				var read, write atomic.Bool
				base := s.Client().Transport.(*http.Transport)
				base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, addr)
					return garbler{conn, &read, &write}, err
				}
				damage := &write
				if op == "local error" {
					damage = &read
				}
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
					damage.Store(handshakes.Load() == 1)
				}})
				var seen recorder
				tr := httpx.NewTransport(base, policy(t, nil, retry.WithObserver(&seen)))
				resp, err := tr.RoundTrip(request(t, method, s.URL, nil).WithContext(ctx))
				if method == http.MethodGet {
					require.NoError(t, err)
					text(t, resp)
				} else {
					require.ErrorContains(t, err, "bad record MAC")
					require.Equal(t, retry.ReasonNotIdempotent, seen.reason())
				}
				require.Equal(t, retry.Transient, seen.attempts[0].Outcome.Class)
				require.Equal(t, budget.Lost, seen.attempts[0].Outcome.Evidence)
				failed, ok := errors.AsType[*net.OpError](seen.attempts[0].Err)
				require.True(t, ok)
				require.Equal(t, op, failed.Op)
			})
		}
	}
}
