package httpx_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// occupied returns a handler that allows ten requests in flight, of which n are under way.
func occupied(t *testing.T, n int, opts ...httpx.HandlerOption) http.Handler {
	t.Helper()
	held := make(chan struct{})
	h := httpx.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-held
		}
	}), append(opts, httpx.WithLoadShedding(10), httpx.WithTrust(func(*http.Request) bool { return true }))...)
	for range n {
		r := httptest.NewRequest(http.MethodGet, "/hold", nil)
		r.Header.Set("X-Criticality", "CRITICAL_PLUS")
		go h.ServeHTTP(httptest.NewRecorder(), r)
	}
	synctest.Wait()
	t.Cleanup(func() { close(held) })
	return h
}

func TestLoadShedding_RefusesLeastCriticalFirst(t *testing.T) {
	for n, want := range map[int]struct {
		criticality, attempt string
		refused              bool
	}{
		5: {"CRITICAL_PLUS", "2", true}, 4: {"CRITICAL_PLUS", "2", false},
		6: {"SHEDDABLE", "", true}, 7: {"SHEDDABLE_PLUS", "", true},
		8: {"", "", true}, 3: {"", "2", false},
		10: {"CRITICAL_PLUS", "", true}, 0: {"SHEDDABLE", "3", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := occupied(t, n)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if want.criticality != "" {
				r.Header.Set("X-Criticality", want.criticality)
			}
			if want.attempt != "" {
				r.Header.Set("X-Retry-Attempt", want.attempt)
			}
			w := answered(h, r)
			if !want.refused {
				require.Equal(t, http.StatusOK, w.Code, n)
				return
			}
			require.Equal(t, http.StatusServiceUnavailable, w.Code, n)
			require.Equal(t, "false", w.Header().Get("X-Should-Retry"))
		})
	}
}

func TestLoadShedding_LeavesNothingBehind(t *testing.T) {
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("a bug")
		}
	})
	h := httpx.Handler(next, httpx.WithLoadShedding(1))
	for _, path := range []string{"/", "/panic", "/"} {
		answered(h, httptest.NewRequest(http.MethodGet, path, nil))
	}
	require.Equal(t, http.StatusOK, fetch(h).Code)
}

func TestCriticality_PropagatesCappedForStrangers(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		var seen []string
		leaf := roundTripFunc(func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r.Header.Get("X-Criticality"))
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
		})
		below := &http.Client{Transport: httpx.NewTransport(leaf, nil)}
		var opts []httpx.HandlerOption
		if trusted {
			opts = append(opts, httpx.WithTrust(func(*http.Request) bool { return true }))
		}
		h := httpx.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			resp, err := below.Do(get(t, r.Context(), "http://leaf/"))
			require.NoError(t, err)
			resp.Body.Close()
		}), opts...)
		middle := roundTripFunc(func(r *http.Request) (*http.Response, error) {
			w := answered(h, r)
			return w.Result(), nil
		})
		c := &http.Client{Transport: httpx.NewTransport(middle, nil)}
		for _, ctx := range []context.Context{
			t.Context(), retry.WithCriticality(t.Context(), retry.CriticalPlus), retry.WithCriticality(t.Context(), retry.Sheddable),
		} {
			resp, err := c.Do(get(t, ctx, "http://middle/"))
			require.NoError(t, err)
			resp.Body.Close()
		}
		highest := "CRITICAL"
		if trusted {
			highest = "CRITICAL_PLUS"
		}
		require.Equal(t, []string{"", highest, "SHEDDABLE"}, seen)
	}
}

func TestCriticality_SheddableNotHedged(t *testing.T) {
	for c, want := range map[call.Criticality]int{
		retry.Sheddable: 1, retry.SheddablePlus: 1, retry.Critical: 3, retry.CriticalPlus: 3,
	} {
		synctest.Test(t, func(t *testing.T) {
			sent := make(chan struct{}, 10)
			slow := roundTripFunc(func(r *http.Request) (*http.Response, error) {
				sent <- struct{}{}
				select {
				case <-r.Context().Done():
					return nil, r.Context().Err()
				case <-time.After(time.Minute):
					return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
				}
			})
			p := policy(t, func(c *retry.Config) { c.Hedge = timeout.Fixed(time.Second) })
			ctx := retry.WithCriticality(t.Context(), c)
			resp, err := httpx.NewTransport(slow, p).RoundTrip(get(t, ctx, "http://x/"))
			require.NoError(t, err)
			resp.Body.Close()
			require.Len(t, sent, want)
		})
	}
}

func TestLoadShedding_ErrorNamesEachMistake(t *testing.T) {
	require.PanicsWithValue(t, "httpx: WithLoadShedding: must be at least 1", func() { httpx.WithLoadShedding(0) })
	require.PanicsWithValue(t, "httpx: WithTrust: must not be nil", func() { httpx.WithTrust(nil) })
}
