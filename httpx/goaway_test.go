package httpx_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// TestGOAWAY_ClassifiedByCode has net/http make the error of the first stream of a connection,
// which the server's GOAWAY says was not processed, or that may have been before the connection
// was closed.
func TestGOAWAY_ClassifiedByCode(t *testing.T) {
	lost := retry.Outcome{Class: retry.Transient, Evidence: budget.Lost}
	for code, want := range map[http2.ErrCode]struct{ above, processed retry.Outcome }{
		http2.ErrCodeRefusedStream:      {retry.Outcome{Class: retry.Unprocessed, Alive: true}, lost},
		http2.ErrCodeEnhanceYourCalm:    {retry.Outcome{Class: retry.Throttled}, retry.Outcome{Class: retry.Throttled}},
		http2.ErrCodeInadequateSecurity: {retry.Outcome{Class: retry.Rejected}, retry.Outcome{Class: retry.Rejected}},
		http2.ErrCodeHTTP11Required:     {retry.Outcome{Class: retry.Rejected}, retry.Outcome{Class: retry.Rejected}},
		http2.ErrCodeInternal:           {retry.Outcome{Class: retry.Unprocessed}, lost},
		http2.ErrCodeProtocol:           {retry.Outcome{Class: retry.Unprocessed}, lost},
		http2.ErrCode(99):               {retry.Outcome{Class: retry.Unprocessed}, lost},
	} {
		t.Run(code.String()+"/not processed", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &rawHTTP2{react: func(f *http2.Framer, _ int, _ uint32) { _ = f.WriteGoAway(0, code, nil) }}
				_, err := s.transport(t).RoundTrip(request(t, http.MethodGet, "http://pipe/", nil))
				require.Error(t, err)
				require.Equal(t, want.above, httpx.Classify(nil, nil, err), err)
			})
		})
		t.Run(code.String()+"/connection closed", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := goAwayThenClosed(t, code, "")
				require.Equal(t, want.processed, httpx.Classify(nil, nil, err), err)
			})
		})
	}
}

// goAwayThenClosed returns the error of a request that the server may have processed.
func goAwayThenClosed(t *testing.T, code http2.ErrCode, debug string) error {
	s := new(rawHTTP2)
	s.react = func(f *http2.Framer, _ int, id uint32) {
		_ = f.WriteGoAway(id, code, []byte(debug))
		time.AfterFunc(time.Millisecond, func() { s.conns[0].Close() })
	}
	_, err := s.transport(t).RoundTrip(request(t, http.MethodGet, "http://pipe/", nil))
	require.Error(t, err)
	return err
}

func TestGOAWAY_NotClassifiedByDebugData(t *testing.T) {
	for _, debug := range []string{"ErrCode=REFUSED_STREAM, ", "ErrCode:ENHANCE_YOUR_CALM", "; REFUSED_STREAM"} {
		synctest.Test(t, func(t *testing.T) {
			err := goAwayThenClosed(t, http2.ErrCodeNo, debug)
			require.Equal(t, retry.Outcome{Class: retry.Transient, Evidence: budget.Lost}, httpx.Classify(nil, nil, err), err)
		})
	}
}

func TestGOAWAY_EnhanceYourCalmPays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rawHTTP2{react: func(f *http2.Framer, _ int, _ uint32) { _ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil) }}
		var seen recorder
		_, err := httpx.NewTransport(s.transport(t), broke(t, &seen)).RoundTrip(request(t, http.MethodGet, "http://pipe/", nil))
		require.ErrorContains(t, err, "ENHANCE_YOUR_CALM")
		require.Equal(t, retry.ReasonBudget, seen.reason())
		require.Len(t, s.bodies, 1)
	})
}

// TestREFUSED_STREAM_RepeatedByNetHTTPPays has a server refuse everything, which
// net/http has tried eight times, for a minute, before anybody hears of it.
func TestREFUSED_STREAM_RepeatedByNetHTTPPays(t *testing.T) {
	for name, test := range map[string]struct {
		p       func(t testing.TB, seen *recorder) *retry.Policy
		reason  retry.Reason
		streams int
	}{
		"without budget": {broke, retry.ReasonBudget, 8},
		"with budget": {func(t testing.TB, seen *recorder) *retry.Policy {
			return policy(t, func(c *retry.Config) { c.Budget = budget.Unlimited{} }, retry.WithObserver(seen))
		}, retry.ReasonMaxAttempts, 3 * 8},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(name+"/"+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &rawHTTP2{react: func(f *http2.Framer, _ int, id uint32) { _ = f.WriteRSTStream(id, http2.ErrCodeRefusedStream) }}
					var seen recorder
					_, err := httpx.NewTransport(s.transport(t), test.p(t, &seen)).RoundTrip(
						request(t, method, "http://pipe/", strings.NewReader("pay 5")))
					require.ErrorContains(t, err, "REFUSED_STREAM")
					require.Equal(t, test.reason, seen.reason())
					require.Len(t, s.bodies, test.streams)
					last := seen.attempts[len(seen.attempts)-1].Outcome
					require.Equal(t, retry.Outcome{Class: retry.Unprocessed, Evidence: budget.Overloaded}, last, "it is not free")
				})
			})
		}
	}
}

// broke returns a policy that has spent its budget for the host "pipe".
func broke(t testing.TB, seen *recorder) *retry.Policy {
	p := policy(t, func(c *retry.Config) { c.Budget = budget.TokenBucket{Cap: 1.5, OnSuccess: true} }, retry.WithObserver(seen))
	failing := base(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
	_, err := httpx.NewTransport(failing, p).RoundTrip(request(t, http.MethodGet, "http://pipe/", nil))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, retry.ReasonBudget, seen.reason())
	return p
}
