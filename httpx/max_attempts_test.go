package httpx_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// tripper is a function as a RoundTripper.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// readAll reads and closes a request's body, as a base does.
func readAll(req *http.Request) error {
	defer req.Body.Close()
	_, err := io.Copy(io.Discard, req.Body)
	return err
}

// A policy that never retries keeps nothing to send again, so it does not for what is handed back
// unprocessed either.
func TestMaxAttempts_OneSendsUnprocessedOnce(t *testing.T) {
	n := 0
	handedBack := errors.New("http2: Transport received Server's graceful shutdown GOAWAY")
	tr := httpx.NewTransport(tripper(func(req *http.Request) (*http.Response, error) {
		n++
		require.NoError(t, readAll(req))
		return nil, handedBack
	}), retry.Must(retry.New(retry.Config{MaxAttempts: 1})))
	for _, body := range []io.Reader{strings.NewReader("abc"), io.MultiReader(strings.NewReader("abc"))} {
		n = 0
		req, err := http.NewRequest(http.MethodPost, "http://memory.test/", body)
		require.NoError(t, err)
		_, err = tr.RoundTrip(req)
		require.Equal(t, handedBack, err)
		require.Equal(t, 1, n)
	}
}

// burning is a body that cannot be read.
type burning struct{}

func (burning) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }
func (burning) Close() error             { return nil }
