package httpx_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// replayable returns a PUT whose GetBody is open, instead of one that http.NewRequest sets.
func replayable(t testing.TB, url string, open func() (io.ReadCloser, error)) *http.Request {
	t.Helper()
	req := request(t, http.MethodPut, url, nil)
	body, err := open()
	require.NoError(t, err)
	req.Body, req.GetBody, req.ContentLength = body, open, int64(len("payload"))
	return req
}

// looks are the ways in which a RoundTripper below looks at a request's payload.
var looks = map[string]func(t *testing.T, r *http.Request){
	"reads the copy": func(t *testing.T, r *http.Request) {
		b := copyOf(t, r)
		h := sha256.New()
		_, _ = io.Copy(h, b)
		b.Close()
		r.Header.Set("X-Content-Sha256", fmt.Sprintf("%x", h.Sum(nil)))
	},
	"reads some of the copy": func(t *testing.T, r *http.Request) {
		b := copyOf(t, r)
		_, _ = b.Read(make([]byte, 3))
		b.Close()
	},
	"reads several copies": func(t *testing.T, r *http.Request) {
		a, b := copyOf(t, r), copyOf(t, r)
		for _, c := range []io.ReadCloser{b, a} {
			text, err := io.ReadAll(c)
			require.NoError(t, err)
			require.Equal(t, "payload", string(text))
			c.Close()
		}
	},
	"leaves the copy open": func(t *testing.T, r *http.Request) { copyOf(t, r) },
	"sends the copy": func(t *testing.T, r *http.Request) {
		b := copyOf(t, r)
		r.Body.Close()
		r.Body = b
	},
	"in the middle of the body": func(t *testing.T, r *http.Request) {
		first := make([]byte, 3)
		_, err := io.ReadFull(r.Body, first)
		require.NoError(t, err)
		copyOf(t, r).Close()
		r.Body = closer{io.MultiReader(strings.NewReader(string(first)), r.Body), new(atomic.Int32)}
	},
}

// TestGetBody_CalledByBase has one look at the request's payload before it sends the
// request.
func TestGetBody_CalledByBase(t *testing.T) {
	for name, look := range looks {
		for way, p := range policies(t) {
			t.Run(name+"/"+way, func(t *testing.T) {
				codes := []int{503, 500}
				if way == "never" {
					codes = nil
				}
				s := serve(t, codes...)
				base := &http.Transport{}
				defer base.CloseIdleConnections()
				signer := roundTripFunc(func(r *http.Request) (*http.Response, error) {
					r = r.Clone(r.Context())
					look(t, r)
					return base.RoundTrip(r)
				})
				open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("payload")), nil }
				resp, err := httpx.NewTransport(signer, p).RoundTrip(replayable(t, s.URL, open))
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				text(t, resp)
				require.Len(t, s.Bodies, len(codes)+1)
				for _, body := range s.Bodies {
					require.Equal(t, "payload", body)
				}
			})
		}
	}
}

func copyOf(t *testing.T, r *http.Request) io.ReadCloser {
	b, err := r.GetBody()
	require.NoError(t, err)
	return b
}

func TestGetBody_FailsForBase(t *testing.T) {
	gone := errors.New("file is gone")
	for name, wrap := range map[string]func(error) error{
		"bare":    func(err error) error { return err },
		"wrapped": func(err error) error { return fmt.Errorf("sign: %w", err) },
	} {
		t.Run(name, func(t *testing.T) {
			var sent, opened atomic.Int32
			signer := roundTripFunc(func(r *http.Request) (*http.Response, error) {
				sent.Add(1)
				r.Body.Close()
				_, err := r.GetBody()
				return nil, wrap(err)
			})
			open := func() (io.ReadCloser, error) {
				if opened.Add(1) == 2 {
					return nil, gone
				}
				return io.NopCloser(strings.NewReader("payload")), nil
			}
			var seen recorder
			tr := httpx.NewTransport(signer, policy(t, nil, retry.WithObserver(&seen)))
			_, err := tr.RoundTrip(replayable(t, "http://h/", open))
			require.Equal(t, wrap(gone), err, "the error is GetBody's own")
			require.EqualValues(t, 1, sent.Load())
			require.Equal(t, retry.ReasonRejected, seen.calls[0].Reason)
		})
	}
}
