package balancer_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/grpcx/balancer"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// calling returns a call of a load.
func calling(c testgrpc.TestServiceClient) func() error {
	return func() error {
		_, err := unary(c)
		return err
	}
}

// TestLoad_OneOfThree makes 3,000 calls at 100 a second with the default budget while one of
// three backends is bad.
func TestLoad_OneOfThree(t *testing.T) {
	hedged := retry.Config{Hedge: timeout.Fixed(30 * time.Millisecond)}
	timed := retry.Config{AttemptTimeout: timeout.Fixed(100 * time.Millisecond)}
	for _, tc := range []struct {
		name  string
		cfg   retry.Config
		spoil func(*backend)
		grace time.Duration
	}{
		{"failing", retry.Config{}, func(b *backend) { b.do(fails(codes.Unavailable)) }, time.Second},
		{"refusing", retry.Config{}, func(b *backend) { b.refuses.Store(true) }, time.Second},
		{"black_holed", timed, func(b *backend) { b.do(hangs) }, time.Second},
		{"black_holed_for_a_second", retry.Config{AttemptTimeout: timeout.Fixed(time.Second)}, func(b *backend) {
			b.do(hangs)
		}, 2 * time.Second},
		{"slow_with_hedge", hedged, func(b *backend) { b.do(answers(20 * healthy)) }, 3 * time.Second},
		{"slow_with_percentile", retry.Config{Hedge: timeout.Percentile{}}, func(b *backend) {
			b.do(answers(20 * healthy))
		}, 3 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := new(testkit.BackendWatcher)
				p, err := retry.New(tc.cfg, retry.WithObserver(w))
				require.NoError(t, err)
				f := newFleet(t, "a", "b", "c")
				tc.spoil(f.backends[1])
				c := f.client(t, p, balancer.Config{SetAside: &outlier.Config{}})
				settle()
				start := time.Now()
				l := testkit.RunLoad(w, tc.grace, calling(c))
				assert.GreaterOrEqual(t, l.OK, testkit.Calls*999/1000, "%v", l.Errors)
				assert.LessOrEqual(t, float64(w.Attempts()), 1.1*float64(len(l.Late)))
				assert.LessOrEqual(t, l.P99(), healthy*13/10)
				if tc.name == "refusing" {
					return // never ready
				}
				first, at := w.First(t)
				assert.Equal(t, "b set_aside", first.Backend+" "+first.Change.String())
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
			cfg := balancer.Config{}
			if with {
				cfg.SetAside = &outlier.Config{}
			}
			c := f.client(t, p, cfg)
			settle()
			for _, b := range f.backends {
				b.do(fails(codes.Unavailable))
			}
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
		c := f.client(t, p, balancer.Config{SetAside: &outlier.Config{}})
		settle()
		time.AfterFunc(10*time.Second, func() {
			f.backends[1].refuses.Store(true)
			f.backends[1].srv.Stop()
		})
		l := testkit.RunLoad(new(testkit.BackendWatcher), 0, calling(c))
		assert.GreaterOrEqual(t, l.OK, testkit.Calls*999/1000, "%v", l.Errors)
		assert.LessOrEqual(t, l.P99(), healthy*13/10)
	})
}

func TestLoad_RecoveredBackendReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(testkit.BackendWatcher)
		p, err := retry.New(retry.Config{}, retry.WithObserver(w))
		require.NoError(t, err)
		f := newFleet(t, "a", "b", "c")
		b := f.backends[1]
		b.do(fails(codes.Unavailable))
		c := f.client(t, p, balancer.Config{SetAside: &outlier.Config{Base: 2 * time.Second}})
		settle()
		stop, done := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			for stop.Err() == nil {
				wg.Go(func() { _, _ = unary(c) })
				time.Sleep(10 * time.Millisecond)
			}
		})
		time.Sleep(time.Second)
		require.Equal(t, []string{"b set_aside"}, w.Events())
		b.do(answers(healthy))
		time.Sleep(2 * time.Second) // set aside for that long, within the first second
		require.Equal(t, []string{"b set_aside", "b taken_back"}, w.Events())
		before := b.calls.Load()
		time.Sleep(time.Second)
		assert.Greater(t, b.calls.Load(), before+30, "its share of the traffic")
		done()
		wg.Wait()
	})
}

// TestLoad_BackendsComeAndGo makes 100,000 calls while the resolver's list changes all the time.
// TestMain finds what goroutines it leaves.
func TestLoad_BackendsComeAndGo(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 calls")
	}
	const workers = 8
	each := 100_000 / workers
	if underRace {
		each /= 20
	}
	f := newFleet(t, "a", "b", "c", "d")
	for _, b := range f.backends {
		b.do(func(context.Context) error { return nil })
	}
	f.backends[3].do(fails(codes.Unavailable))
	c := f.client(t, testkit.Immediate(t), balancer.Config{SetAside: &outlier.Config{Base: time.Millisecond}})
	stop := make(chan struct{})
	var wg, changes sync.WaitGroup
	changes.Go(func() {
		lists := [][]string{{"a", "b", "c", "d"}, {"a", "d"}, {"b", "c"}, {"d", "c"}, {"a", "b", "c"}}
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				f.resolver.UpdateState(f.state(lists[i%len(lists)]...))
			}
		}
	})
	var lost atomic.Int64 // while d alone is connected
	for range workers {
		wg.Go(func() {
			for range each {
				if _, err := unary(c); err != nil {
					lost.Add(1)
					assert.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	changes.Wait()
	assert.LessOrEqual(t, lost.Load(), int64(workers*each/100))
}

// TestMemory_RemovedBackendsForgotten also shows that a backend whose connection comes back
// is the same.
func TestMemory_RemovedBackendsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		config := strings.Replace(balancer.ServiceConfig(balancer.Config{SetAside: &outlier.Config{}}),
			`"evenkeel"`, `"`+balancer.Spy+`"`, 1)
		cc, err := grpc.NewClient("fleet:///test", append(grpcx.DialOptions(testkit.Immediate(t)),
			grpc.WithDefaultServiceConfig(config), grpc.WithResolvers(f.resolver), grpc.WithContextDialer(f.dial),
			grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		require.NoError(t, err)
		defer cc.Close()
		c := testgrpc.NewTestServiceClient(cc)
		for i := range 200 {
			gone := resolver.Address{Addr: fmt.Sprintf("gone-%d", i)}
			s := f.state()
			s.Addresses = append(s.Addresses, gone)
			f.resolver.UpdateState(s)
			_, err := unary(c)
			require.NoError(t, err)
			if i%50 == 0 {
				time.Sleep(time.Second)
			}
		}
		f.resolver.UpdateState(f.state())
		time.Sleep(time.Minute)
		backends, subConns := balancer.Sizes()
		assert.Equal(t, 2, backends)
		assert.Equal(t, 2, subConns)
	})
}
