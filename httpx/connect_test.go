package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// refusing returns a proxy that answers each CONNECT with that status line, unchanged.
func refusing(sent *atomic.Int32, status string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		sent.Add(1)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status)
	}
}

var connectAnswers = map[string]int{ // how often it is sent
	"400 Bad Request": 1, "403 Forbidden": 1, "404 Not Found": 1, "405 Not Allowed": 1,
	"407 Proxy Authentication Required": 1,
	"408 Request Timeout":               1, "429 Too Many Requests": 1, "451 Unavailable For Legal Reasons": 1,
	"501 Not Implemented": 1, "505 HTTP Version Not Supported": 1, "511 Network Authentication Required": 1,
	"502 Bad Gateway": 3, "503 Service Unavailable": 3, "504 Gateway Timeout": 3,
	"502 Proxy Error": 3, "503 Service Temporarily Unavailable": 3, "504 Gateway Time-out": 3, "502 BAD GATEWAY": 3,
}

func TestConnect_ProxyRefusesTransportsOwn(t *testing.T) {
	for status, want := range connectAnswers {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(method+" "+status, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var sent atomic.Int32
					under := pipeServer(t, refusing(&sent, status))
					under.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test"})
					tr := httpx.NewTransport(under, policy(t, nil))
					_, err := tr.RoundTrip(request(t, method, "https://host.test/", strings.NewReader("pay 5")))
					_, phrase, _ := strings.Cut(status, " ")
					require.ErrorContains(t, err, phrase)
					require.EqualValues(t, want, sent.Load())
				})
			})
		}
	}
}

func TestConnect_ProxyAnswersCallersOwn(t *testing.T) {
	for status, want := range connectAnswers {
		t.Run(status, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int32
				tr := httpx.NewTransport(pipeServer(t, refusing(&sent, status)), policy(t, nil))
				req := request(t, http.MethodConnect, "http://proxy.test", nil)
				req.Host = "host.test:443"
				resp, err := tr.RoundTrip(req)
				require.NoError(t, err)
				require.Equal(t, status, resp.Status)
				text(t, resp)
				require.EqualValues(t, want, sent.Load())
			})
		})
	}
}

// Of a proxy that breaks it is not known how far it got.
func TestConnect_500ProvesNothing(t *testing.T) {
	for method, want := range map[string]int{http.MethodGet: 3, http.MethodPost: 1, http.MethodConnect: 1} {
		synctest.Test(t, func(t *testing.T) {
			var sent atomic.Int32
			under := pipeServer(t, refusing(&sent, "500 Internal Server Error"))
			target := "http://proxy.test"
			if method != http.MethodConnect {
				under.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test"})
				target = "https://host.test/"
			}
			resp, err := httpx.NewTransport(under, policy(t, nil)).RoundTrip(request(t, method, target, nil))
			if err == nil {
				text(t, resp)
			}
			require.EqualValues(t, want, sent.Load(), method)
		})
	}
}

func TestConnect_TunnelAfterRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		tr := httpx.NewTransport(pipeServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if sent.Add(1) < 3 {
				w.WriteHeader(http.StatusGatewayTimeout)
			}
		})), policy(t, nil))
		req := request(t, http.MethodConnect, "http://proxy.test", nil)
		resp, err := tr.RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		text(t, resp)
		require.EqualValues(t, 3, sent.Load())
	})
}

// A reason phrase proves something only if it comes from http.Transport.
func TestConnect_ForeignReasonPhraseProvesNothing(t *testing.T) {
	wrapped := fmt.Errorf("signed: %w", errors.New("Bad Gateway"))
	for name, test := range map[string]struct {
		method, url string
		err         error
		want        int
	}{
		"POST":           {http.MethodPost, "https://host.test/", errors.New("Bad Gateway"), 1},
		"POST, wrapped":  {http.MethodPost, "https://host.test/", wrapped, 1},
		"GET":            {http.MethodGet, "https://host.test/", wrapped, 3},
		"no tunnel":      {http.MethodGet, "http://host.test/", errors.New("Forbidden"), 3},
		"more than that": {http.MethodGet, "https://host.test/", errors.New("Forbidden: try later"), 3},
		"typed":          {http.MethodGet, "https://host.test/", retryable("Forbidden"), 3},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			tr := httpx.NewTransport(base(func(r *http.Request) (*http.Response, error) {
				n++
				return nil, test.err
			}), policy(t, nil))
			_, err := tr.RoundTrip(request(t, test.method, test.url, nil))
			require.ErrorIs(t, err, test.err)
			require.Equal(t, test.want, n)
		})
	}
}

var errFiltered = errors.New("the proxy does not let us through")

type retryable string

func (e retryable) Error() string { return string(e) }

// In a hook a user decides by the status, whatever the phrase.
func TestConnect_HooksPermanentErrorIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		under := pipeServer(t, refusing(&sent, "403 Filtered"))
		under.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test"})
		under.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode < 500 && resp.StatusCode != http.StatusOK {
				return retry.Permanent(errFiltered)
			}
			return nil
		}
		_, err := httpx.NewTransport(under, policy(t, nil)).RoundTrip(request(t, http.MethodGet, "https://host.test/", nil))
		require.ErrorIs(t, err, errFiltered)
		require.EqualValues(t, 1, sent.Load())
		require.Equal(t, retry.Rejected, httpx.Classify(nil, nil, err).Class)
	})
}
