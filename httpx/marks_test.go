package httpx_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

var (
	errLicense  = errors.New("no license server")
	errUnusable = errors.New("http2: client conn not usable")
)

// What a RoundTripper below ours marks, by retry.Permanent and retry.After, is honored as Do does
// it.
func TestMarks_BasesPermanentErrorEndsCall(t *testing.T) {
	for name, err := range map[string]error{
		"permanent":             retry.Permanent(errLicense),
		"wrapped":               fmt.Errorf("auth: %w", retry.Permanent(errLicense)),
		"joined":                errors.Join(io.EOF, retry.Permanent(errLicense)),
		"of a refused dial":     retry.Permanent(errors.Join(errLicense, refusedDial())),
		"that asks for a wait":  retry.After(retry.Permanent(errLicense), time.Second),
		"of a handed back call": retry.Permanent(fmt.Errorf("http2: client conn not usable: %w", errLicense)),
	} {
		for way, p := range policies(t) {
			t.Run(name+" "+way, func(t *testing.T) {
				n := 0
				tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) { n++; return nil, err }), p)
				_, got := tr.RoundTrip(request(t, http.MethodGet, "http://host/", nil))
				require.ErrorIs(t, got, errLicense)
				require.Equal(t, 1, n)
			})
		}
	}
}

func TestMarks_HedgesPermanentErrorIsNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
			if sent.Add(1) > 1 {
				return nil, retry.Permanent(errLicense)
			}
			time.Sleep(300 * time.Millisecond)
			return reply(200, http.NoBody), nil
		}), hedging(t, nil))
		resp, err := tr.RoundTrip(request(t, http.MethodGet, "http://host/", nil))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.EqualValues(t, 2, sent.Load())
	})
}

func TestMarks_BasesWaitIsObeyed(t *testing.T) {
	const asked = 7 * time.Second
	for name, test := range map[string]struct {
		method string
		err    error
		sent   int
	}{
		"any error":                        {http.MethodGet, retry.After(io.EOF, asked), 2},
		"wrapped":                          {http.MethodGet, fmt.Errorf("auth: %w", retry.After(io.EOF, asked)), 2},
		"that would be refused":            {http.MethodGet, retry.After(x509.UnknownAuthorityError{}, asked), 2},
		"that was handed back":             {http.MethodGet, retry.After(errUnusable, asked), 2},
		"a POST that may have been sent":   {http.MethodPost, retry.After(io.EOF, asked), 1},
		"a POST that has not been sent":    {http.MethodPost, retry.After(refusedDial(), asked), 2},
		"longer than the policy lets wait": {http.MethodGet, retry.After(io.EOF, math.MaxInt64), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				p := policy(t, func(c *retry.Config) { c.Backoff = backoff.Constant(time.Millisecond) })
				tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
					if n++; n > 1 {
						return reply(200, http.NoBody), nil
					}
					return nil, test.err
				}), p)
				start := time.Now()
				_, err := tr.RoundTrip(request(t, test.method, "http://host/", nil))
				require.Equal(t, test.sent, n)
				if n == 1 {
					require.ErrorIs(t, err, test.err)
					require.Zero(t, time.Since(start))
					return
				}
				require.NoError(t, err)
				require.GreaterOrEqual(t, time.Since(start), asked)
			})
		})
	}
}

func TestMarks_ShortOrNegativeWaitUsesBackoff(t *testing.T) {
	for _, after := range []time.Duration{0, -1, math.MinInt64, time.Microsecond} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			p := policy(t, func(c *retry.Config) { c.Backoff = backoff.Constant(time.Second) })
			tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
				n++
				return nil, retry.After(io.EOF, after)
			}), p)
			start := time.Now()
			_, err := tr.RoundTrip(request(t, http.MethodGet, "http://host/", nil))
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, 3, n)
			require.Equal(t, 2*time.Second, time.Since(start))
			require.GreaterOrEqual(t, httpx.Classify(nil, nil, retry.After(io.EOF, after)).After, time.Duration(0))
		})
	}
}
