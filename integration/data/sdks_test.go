package data_test

import (
	"context"
	"testing"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newRedis(addr string) (*redis.Client, *retry.Policy) {
	// docs/sdks.md#go-redis
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1}) // 0 would be its default of 3
	policy := retry.Must(retry.New(retry.Config{}, retry.WithPermanent(redis.Nil)))
	// end
	return client, policy
}

func getValue(ctx context.Context, policy *retry.Policy, client *redis.Client) (string, error) {
	// docs/sdks.md#go-redis
	value, err := retry.DoValue(ctx, policy, func(ctx context.Context) (string, error) {
		return client.Get(ctx, "key").Result()
	})
	// end
	return value, err
}

func TestSDKs_Redis(t *testing.T) {
	call := map[string]func(addr string) error{
		fakenet.Bare: func(addr string) error {
			c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
			defer c.Close()
			return c.Get(patient(t), "key").Err()
		},
		fakenet.Own: func(addr string) error {
			c := redis.NewClient(&redis.Options{Addr: addr})
			defer c.Close()
			return c.Get(patient(t), "key").Err()
		},
		fakenet.Evenkeel: func(addr string) error {
			c, policy := newRedis(addr)
			defer c.Close()
			_, err := getValue(patient(t), policy, c)
			return err
		},
		fakenet.Both: func(addr string) error {
			c := redis.NewClient(&redis.Options{Addr: addr})
			defer c.Close()
			_, err := getValue(patient(t), retry.Must(retry.New(retry.Config{}, retry.WithPermanent(redis.Nil))), c)
			return err
		},
	}
	var rows []string
	for _, label := range []string{fakenet.Bare, fakenet.Own, fakenet.Evenkeel, fakenet.Both} {
		row := "| " + label + " |"
		for _, failures := range []int32{2, fakenet.Always} {
			s := newStore(t, 0)
			require.NoError(t, s.Set("key", "value"))
			s.before = func(p *server.Peer, _ string, _ []string) bool {
				if s.served.Load() > failures {
					return false
				}
				p.Close()
				return true
			}
			err := call[label](s.Addr())
			row += " " + fakenet.Cell(int(s.served.Load()), err) + " |"
		}
		rows = append(rows, row)
	}
	fakenet.Rows(t, "go-redis", rows...)
}

// A miss is one command: the policy names redis.Nil.
func TestSDKs_RedisMiss(t *testing.T) {
	s := newStore(t, 0)
	c, policy := newRedis(s.Addr())
	defer c.Close()
	_, err := getValue(patient(t), policy, c)
	require.ErrorIs(t, err, redis.Nil)
	require.EqualValues(t, 1, s.served.Load())
}
