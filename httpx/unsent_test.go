package httpx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// patient returns a policy with an attempt timeout of a second that seen observes.
func patient(t testing.TB, seen *recorder) *retry.Policy {
	return policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) }, retry.WithObserver(seen))
}

// blackHoles are the ways in which a connection is not had, the first time that it is asked for.
var blackHoles = map[string]func(ctx context.Context) (net.Conn, error){
	"the SYN is swallowed": func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	},
	"a tunnel does not open": func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, errors.New("tunnel is down")
	},
}

func TestUnsent_TimeoutRetriedForAnyMethod(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
		for name, body := range map[string]func() io.Reader{
			"no body":     func() io.Reader { return nil },
			"in memory":   func() io.Reader { return strings.NewReader("pay 5") },
			"of a stream": func() io.Reader { return stream("pay 5") },
		} {
			for where, hole := range blackHoles {
				t.Run(method+"/"+name+"/"+where, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var got atomic.Int32
						base := pipeServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
						var dials atomic.Int32
						dial := base.DialContext
						base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
							if dials.Add(1) == 1 {
								return hole(ctx)
							}
							return dial(ctx, network, addr)
						}
						var seen recorder
						resp, err := httpx.NewTransport(base, patient(t, &seen)).RoundTrip(request(t, method, "http://pipe/", body()))
						require.NoError(t, err)
						text(t, resp)
						require.EqualValues(t, 1, got.Load())
						require.Equal(t, retry.Outcome{Class: retry.Unprocessed}, seen.attempts[0].Outcome)
					})
				})
			}
		}
	}
}

// TestUnsent_TimeoutWaitingForConnection has all connections that the
// client may have in use.
func TestUnsent_TimeoutWaitingForConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got atomic.Int32
		base := pipeServer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got.Add(1)
			select {
			case <-r.Context().Done():
			case <-time.After(1500 * time.Millisecond):
			}
		}))
		base.MaxConnsPerHost = 1
		go func() {
			resp, err := base.RoundTrip(request(t, http.MethodGet, "http://pipe/", nil))
			if err == nil {
				resp.Body.Close()
			}
		}()
		time.Sleep(time.Millisecond)
		var seen recorder
		p := policy(t, func(c *retry.Config) { c.AttemptTimeout = timeout.Fixed(time.Second) }, retry.WithObserver(&seen))
		_, err := httpx.NewTransport(base, p).RoundTrip(request(t, http.MethodPost, "http://pipe/", nil))
		require.ErrorIs(t, err, timeout.ErrAttempt)
		require.Equal(t, retry.ReasonNotIdempotent, seen.reason(), "the second attempt was sent, and timed out")
		require.Equal(t, retry.Unprocessed, seen.attempts[0].Outcome.Class)
		require.Equal(t, retry.Timeout, seen.attempts[1].Outcome.Class)
		require.EqualValues(t, 2, got.Load())
	})
}

// TestUnsent_NoProofIfPossiblySent has bases that do not say enough, or say that there
// was a connection.
func TestUnsent_NoProofIfPossiblySent(t *testing.T) {
	for name, tell := range map[string]func(*httptrace.ClientTrace){
		"says nothing":          func(*httptrace.ClientTrace) {},
		"has a connection":      func(c *httptrace.ClientTrace) { c.GetConn("h:80"); c.GotConn(httptrace.GotConnInfo{}) },
		"says only that it has": func(c *httptrace.ClientTrace) { c.GotConn(httptrace.GotConnInfo{}) },
		"lost one, and found no other": func(c *httptrace.ClientTrace) {
			c.GetConn("h:80")
			c.GotConn(httptrace.GotConnInfo{Reused: true})
			c.GetConn("h:80")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				silent := base(func(req *http.Request) (*http.Response, error) {
					sent++
					tell(httptrace.ContextClientTrace(req.Context()))
					<-req.Context().Done()
					return nil, context.Cause(req.Context())
				})
				var seen recorder
				_, err := httpx.NewTransport(silent, patient(t, &seen)).RoundTrip(request(t, http.MethodPost, "http://h/", nil))
				require.ErrorIs(t, err, timeout.ErrAttempt)
				require.Equal(t, retry.ReasonNotIdempotent, seen.reason())
				require.Equal(t, 1, sent)
				require.Equal(t, retry.Timeout, seen.attempts[0].Outcome.Class)
			})
		})
	}
}

func TestUnsent_SilentServerGetsPOSTOnce(t *testing.T) {
	for proto, protocols := range map[string][]*http.Protocols{"h1": nil, "h2": {unencryptedHTTP2()}} {
		t.Run(proto, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got atomic.Int32
				base := pipeServer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					got.Add(1)
					<-r.Context().Done()
				}), protocols...)
				var seen recorder
				_, err := httpx.NewTransport(base, patient(t, &seen)).RoundTrip(request(t, http.MethodPost, "http://pipe/", nil))
				require.ErrorIs(t, err, timeout.ErrAttempt)
				require.Equal(t, retry.ReasonNotIdempotent, seen.reason())
				require.EqualValues(t, 1, got.Load())
			})
		})
	}
}

func TestClientTrace_SeesEachConnectionOnce(t *testing.T) {
	for way, p := range policies(t) {
		t.Run(way, func(t *testing.T) {
			s := serve(t)
			var asked, had atomic.Int32
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GetConn: func(string) { asked.Add(1) },
				GotConn: func(httptrace.GotConnInfo) { had.Add(1) },
			})
			resp, err := client(t, p).Do(request(t, http.MethodPut, s.URL, stream("x")).WithContext(ctx))
			require.NoError(t, err)
			text(t, resp)
			require.EqualValues(t, 1, asked.Load())
			require.EqualValues(t, 1, had.Load())
		})
	}
}
