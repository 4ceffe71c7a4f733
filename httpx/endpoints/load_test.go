package endpoints_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/endpoints"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// calling returns a call of a load.
func calling(c *http.Client) func() error {
	return func() error {
		_, code, err := get(c, "http://orders/")
		if err == nil && code != 200 {
			err = fmt.Errorf("HTTP %d", code)
		}
		return err
	}
}

// TestLoad_OneOfThree makes 3,000 calls at 100 a second with the default budget while one of
// three servers is bad.
func TestLoad_OneOfThree(t *testing.T) {
	hedged := retry.Config{Hedge: timeout.Fixed(30 * time.Millisecond)}
	timed := retry.Config{AttemptTimeout: timeout.Fixed(100 * time.Millisecond)}
	for _, tc := range []struct {
		name  string
		cfg   retry.Config
		spoil func(*server)
		grace time.Duration
	}{
		{"failing", retry.Config{}, func(s *server) { s.do(fails(503)) }, time.Second},
		{"refusing", retry.Config{}, func(s *server) { s.refuses.Store(true) }, time.Second},
		{"black_holed", timed, func(s *server) { s.do(hangs) }, time.Second},
		{"black_holed_for_a_second", retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}, func(s *server) {
			s.do(hangs)
		}, 2 * time.Second},
		{"slow_with_hedge", hedged, func(s *server) { s.do(answers(20 * healthy)) }, 3 * time.Second},
		{"slow_with_percentile", retry.Config{Hedge: timeout.Percentile{}}, func(s *server) {
			s.do(answers(20 * healthy))
		}, 3 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := new(testkit.BackendWatcher)
				p, err := retry.New(tc.cfg, retry.WithObserver(w))
				require.NoError(t, err)
				f := newFleet(t, "a", "b", "c")
				tc.spoil(f.servers[1])
				e := endpoints.New("orders", endpoints.Addrs("a", "b", "c"), endpoints.Config{
					Base: f.base(), SetAside: &outlier.Config{},
				})
				c := client(t, httpx.NewTransport(e, p))
				start := time.Now()
				l := testkit.RunLoad(w, tc.grace, calling(c))
				assert.GreaterOrEqual(t, l.OK, testkit.Calls*999/1000)
				assert.LessOrEqual(t, float64(w.Attempts()), 1.1*float64(len(l.Late)))
				assert.LessOrEqual(t, l.P99(), healthy*13/10)
				first, at := w.First(t)
				assert.Equal(t, "b set_aside", first.Backend+" "+first.Change.String())
				assert.Equal(t, "orders", first.Destination)
				assert.LessOrEqual(t, at.Sub(start), tc.grace)
			})
		})
	}
}

func TestLoad_AllFailing(t *testing.T) {
	attempts := map[bool]int64{}
	for _, with := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, err := retry.New(retry.Config{})
			require.NoError(t, err)
			f := newFleet(t, "a", "b", "c")
			cfg := endpoints.Config{Base: f.base()}
			if with {
				cfg.SetAside = &outlier.Config{}
			}
			for _, s := range f.servers {
				s.do(fails(503))
			}
			c := client(t, httpx.NewTransport(endpoints.New("orders", endpoints.Addrs("a", "b", "c"), cfg), p))
			l := testkit.RunLoad(new(testkit.BackendWatcher), 0, calling(c))
			assert.Zero(t, l.OK)
			for _, n := range f.calls() {
				attempts[with] += n
			}
		})
	}
	assert.Equal(t, attempts[false], attempts[true])
}

func TestLoad_ServerThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := retry.New(retry.Config{})
		require.NoError(t, err)
		f := newFleet(t, "a", "b", "c")
		c := client(t, httpx.NewTransport(endpoints.New("orders", endpoints.Addrs("a", "b", "c"),
			endpoints.Config{Base: f.base(), SetAside: &outlier.Config{}}), p))
		time.AfterFunc(10*time.Second, func() {
			f.servers[1].refuses.Store(true)
			_ = f.servers[1].srv.Close()
		})
		l := testkit.RunLoad(new(testkit.BackendWatcher), 0, calling(c))
		assert.GreaterOrEqual(t, l.OK, testkit.Calls*999/1000)
		assert.LessOrEqual(t, l.P99(), healthy*13/10)
	})
}

func TestLoad_RecoveredEndpointReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(testkit.BackendWatcher)
		p, err := retry.New(retry.Config{}, retry.WithObserver(w))
		require.NoError(t, err)
		f := newFleet(t, "a", "b", "c")
		b := f.servers[1]
		b.do(fails(503))
		c := client(t, httpx.NewTransport(endpoints.New("orders", endpoints.Addrs("a", "b", "c"), endpoints.Config{
			Base: f.base(), SetAside: &outlier.Config{Base: 2 * time.Second},
		}), p))
		time.AfterFunc(time.Second, func() {
			assert.Equal(t, []string{"b set_aside"}, w.Events())
			b.do(answers(healthy))
		})
		var before int64
		time.AfterFunc(3*time.Second, func() {
			assert.Equal(t, []string{"b set_aside", "b taken_back"}, w.Events())
			before = b.calls.Load()
		})
		time.AfterFunc(4*time.Second, func() { assert.Greater(t, b.calls.Load(), before+30, "its share of the traffic") })
		testkit.RunLoad(w, 0, calling(c))
	})
}

func TestProbe_IsFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b", "c")
		f.servers[0].do(fails(503))
		p := testkit.Immediate(t, func(c *retry.Config) { c.MaxAttempts = 2 })
		c := client(t, httpx.NewTransport(endpoints.New("orders", endpoints.Addrs("a", "b", "c"), endpoints.Config{
			Base: f.base(), SetAside: &outlier.Config{},
		}), p))
		for range 60 {
			_, _, err := get(c, "http://orders/")
			require.NoError(t, err)
		}
		before := f.servers[0].calls.Load()
		for _, s := range f.servers[1:] {
			s.do(func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(1200 * time.Millisecond) // then a is due
				w.WriteHeader(503)
			})
		}
		_, code, err := get(c, "http://orders/")
		require.NoError(t, err)
		require.Equal(t, 503, code)
		assert.Equal(t, before, f.servers[0].calls.Load(), "a resend is no probe")
		_, _, err = get(c, "http://orders/")
		require.NoError(t, err)
		assert.Equal(t, before+1, f.servers[0].calls.Load(), "the next first attempt is")
	})
}
