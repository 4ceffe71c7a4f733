package data_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/retry"
)

// patience is how long what hangs is given. No test waits for it.
const patience = 20 * time.Second

// store is a Redis server that counts commands, and a client of it.
type store struct {
	*miniredis.Miniredis
	client *redis.Client
	served atomic.Int32
	// before, if set, is told of each command; where it returns true, that was all.
	before func(p *server.Peer, command string, args []string) bool
}

// newStore makes both. The client retries by itself that many times.
func newStore(t *testing.T, retries int) *store {
	t.Helper()
	s := &store{Miniredis: miniredis.RunT(t)}
	s.hook()
	if retries == 0 {
		retries = -1 // 0 means its default
	}
	s.client = redis.NewClient(&redis.Options{
		Addr: s.Addr(), Protocol: 2, DisableIdentity: true,
		MaxRetries: retries, MinRetryBackoff: time.Millisecond, MaxRetryBackoff: time.Millisecond, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = s.client.Close() })
	return s
}

func (s *store) hook() {
	s.Server().SetPreHook(func(p *server.Peer, command string, args ...string) bool {
		if strings.EqualFold(command, "CLIENT") || strings.EqualFold(command, "HELLO") {
			return false
		}
		s.served.Add(1)
		return s.before != nil && s.before(p, command, args)
	})
}

// breakFirst closes the connection of the next command.
func (s *store) breakFirst() {
	var broken atomic.Bool
	s.before = func(p *server.Peer, _ string, _ []string) bool {
		if broken.Swap(true) {
			return false
		}
		p.Close()
		return true
	}
}

func (s *store) get(ctx context.Context, key string) (string, error) {
	return s.client.Get(ctx, key).Result()
}

func quick(opts ...retry.Option) *retry.Policy {
	wait := backoff.Constant(time.Millisecond)
	return retry.Must(retry.New(retry.Config{Backoff: wait, ThrottledBackoff: wait}, opts...))
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestRedis_ConnectionBreaks(t *testing.T) {
	for name, test := range map[string]struct {
		own      int // go-redis's own retries
		evenkeel bool
		served   int32
	}{
		"bare":     {0, false, 1},
		"own":      {3, false, 2},
		"evenkeel": {0, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, test.own)
			require.NoError(t, s.Set("key", "value"))
			s.breakFirst()
			ctx, got := patient(t), ""
			get := func(ctx context.Context) (err error) {
				got, err = s.get(ctx, "key")
				return err
			}
			err := error(nil)
			if test.evenkeel {
				err = retry.Do(ctx, quick(), get)
			} else {
				err = get(ctx)
			}
			require.Equal(t, test.served, s.served.Load())
			if test.served == 1 {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "value", got)
		})
	}
}

// The server is down when the call begins, and comes back once the first attempt has failed.
func TestRedis_ServerRestarts(t *testing.T) {
	s := newStore(t, 0)
	require.NoError(t, s.Set("key", "value"))
	s.Close()
	_, err := s.get(patient(t), "key")
	require.Error(t, err)

	attempts := 0
	got, err := retry.DoValue(patient(t), quick(), func(ctx context.Context) (string, error) {
		if attempts++; attempts == 2 {
			require.NoError(t, s.Restart())
			s.hook()
		}
		return s.get(ctx, "key")
	})
	require.NoError(t, err)
	require.Equal(t, "value", got)
	require.Equal(t, 2, attempts)
	require.EqualValues(t, 1, s.served.Load())
}

// The reply to an INCR is lost. Who passes it to Do says that it may be repeated, and has it
// twice; who says that it may not is told.
func TestRedis_ReplyIsLost(t *testing.T) {
	for name, test := range map[string]struct {
		declared retry.Idempotency
		fails    bool
		counter  string
		served   int32
	}{
		"undeclared":     {retry.Undeclared, false, "2", 2},
		"not_idempotent": {retry.NotIdempotent, true, "1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 0)
			var lost atomic.Bool
			s.before = func(p *server.Peer, command string, args []string) bool {
				if command != "INCR" || lost.Swap(true) {
					return false
				}
				_, _ = s.Incr(args[0], 1)
				p.Close()
				return true
			}
			ctx := retry.WithIdempotency(patient(t), test.declared)
			err := retry.Do(ctx, quick(), func(ctx context.Context) error { return s.client.Incr(ctx, "n").Err() })
			require.Equal(t, test.fails, err != nil, "%v", err)
			require.Equal(t, test.served, s.served.Load())
			got, err := s.Get("n")
			require.NoError(t, err)
			require.Equal(t, test.counter, got)
		})
	}
}

// A miss is an error to go-redis. Marked, it is an answer: one command, and redis.Nil to
// errors.Is.
func TestRedis_MissIsMarkedPermanent(t *testing.T) {
	s, p := newStore(t, 0), quick()
	for range 20 {
		err := retry.Do(patient(t), p, func(ctx context.Context) error {
			err := s.client.Get(ctx, "nobody").Err()
			if err == redis.Nil { //nolint:errorlint // as go-redis's documentation has it
				return retry.Permanent(err)
			}
			return err
		})
		require.ErrorIs(t, err, redis.Nil)
	}
	require.EqualValues(t, 20, s.served.Load())
	s.breakFirst()
	require.NoError(t, retry.Do(patient(t), p, func(ctx context.Context) error { return s.client.Ping(ctx).Err() }))
	require.EqualValues(t, 22, s.served.Load())
}

// Unmarked misses are retried, but what they spend is not what a failure of the network's needs.
func TestRedis_MissesLeaveTheBudgetAlone(t *testing.T) {
	s, p := newStore(t, 0), quick()
	for range 20 {
		err := retry.Do(patient(t), p, func(ctx context.Context) error { return s.client.Get(ctx, "nobody").Err() })
		require.ErrorIs(t, err, redis.Nil)
	}
	require.LessOrEqual(t, s.served.Load(), int32(40), "the misses' own budget is small")
	before := s.served.Load()
	s.Close()
	attempts := 0
	require.NoError(t, retry.Do(patient(t), p, func(ctx context.Context) error {
		if attempts++; attempts == 2 {
			require.NoError(t, s.Restart())
			s.hook()
		}
		return s.client.Ping(ctx).Err()
	}))
	require.Equal(t, 2, attempts)
	require.Equal(t, before+1, s.served.Load())
}
