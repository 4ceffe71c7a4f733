package data_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/retry"
)

// A policy that names what means "not there" takes it for an answer: one attempt each, the error
// as it is, and nothing spent.
func TestNotThere_IsNamedByThePolicy(t *testing.T) {
	p := quick(retry.WithPermanent(redis.Nil, sql.ErrNoRows))
	s, db := newStore(t, 0), open(t)
	for range 20 {
		err := retry.Do(patient(t), p, func(ctx context.Context) error { return s.client.Get(ctx, "nobody").Err() })
		require.Equal(t, redis.Nil, err)
		attempts := 0
		err = retry.Do(patient(t), p, func(ctx context.Context) error {
			attempts++
			return db.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE name = 'bob'").Scan(new(int))
		})
		require.Equal(t, sql.ErrNoRows, err)
		require.Equal(t, 1, attempts)
	}
	require.EqualValues(t, 20, s.served.Load())
	s.breakFirst()
	require.NoError(t, retry.Do(patient(t), p, func(ctx context.Context) error { return s.client.Ping(ctx).Err() }))
	require.EqualValues(t, 22, s.served.Load())
}
