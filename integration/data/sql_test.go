package data_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/evenkeel-go/evenkeel/retry"
)

// SQLite's codes, of which the lowest byte is the kind.
const (
	busy       = 5
	constraint = 19
)

func kind(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// open opens a database of one table, which does not wait for locks by itself.
func open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "db")+"?_pragma=busy_timeout(0)&_pragma=journal_mode(WAL)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.Exec("CREATE TABLE accounts (name TEXT PRIMARY KEY, balance INTEGER)")
	require.NoError(t, err)
	return db
}

// lock acquires the write lock, and returns a function that releases it.
func lock(t *testing.T, db *sql.DB) (unlock func()) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	return func() {
		_, err := conn.ExecContext(t.Context(), "COMMIT")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
}

func rows(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow("SELECT count(*) FROM accounts").Scan(&n))
	return n
}

// Another writer has the lock until the first attempt has failed.
func TestSQL_Busy(t *testing.T) {
	insert := func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, "INSERT INTO accounts VALUES ('ann', 1)")
		return err
	}
	t.Run("bare", func(t *testing.T) {
		db := open(t)
		unlock := lock(t, db)
		require.Equal(t, busy, kind(insert(t.Context(), db)))
		unlock()
		require.Equal(t, 0, rows(t, db))
	})
	t.Run("evenkeel", func(t *testing.T) {
		db := open(t)
		unlock := lock(t, db)
		attempts := 0
		require.NoError(t, retry.Do(patient(t), quick(), func(ctx context.Context) error {
			if attempts++; attempts == 2 {
				unlock()
			}
			return insert(ctx, db)
		}))
		require.Equal(t, 2, attempts)
		require.Equal(t, 1, rows(t, db))
	})
}

// A transaction reads, another writes, and its own write is refused for what it has read is old:
// the whole transaction is repeated, and nothing of the first one stays.
func TestSQL_Transaction(t *testing.T) {
	db := open(t)
	_, err := db.Exec("INSERT INTO accounts VALUES ('ann', 1)")
	require.NoError(t, err)
	attempts := 0
	deposit := func(ctx context.Context) error {
		attempts++
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		var balance int
		if err := tx.QueryRow("SELECT balance FROM accounts WHERE name = 'ann'").Scan(&balance); err != nil {
			return err
		}
		if attempts%2 == 1 {
			_, err := db.Exec("UPDATE accounts SET balance = balance + 10")
			require.NoError(t, err)
		}
		if _, err := tx.Exec("UPDATE accounts SET balance = ?", balance+100); err != nil {
			return err
		}
		return tx.Commit()
	}
	require.Equal(t, busy, kind(deposit(t.Context())), "bare")
	attempts = 0
	require.NoError(t, retry.Do(patient(t), quick(), deposit))
	require.Equal(t, 2, attempts)
	var balance int
	require.NoError(t, db.QueryRow("SELECT balance FROM accounts").Scan(&balance))
	require.Equal(t, 1+10+10+100, balance)
}

// A constraint is an answer for who says so in a classifier.
func TestSQL_Constraint(t *testing.T) {
	db := open(t)
	attempts := 0
	insert := func(ctx context.Context) error {
		attempts++
		_, err := db.ExecContext(ctx, "INSERT INTO accounts VALUES ('ann', 1)")
		return err
	}
	p := quick(retry.WithClassifier(func(err error) retry.Outcome {
		if kind(err) == constraint {
			return retry.Outcome{Class: retry.Rejected, Alive: true}
		}
		return retry.Classify(err)
	}))
	require.NoError(t, retry.Do(patient(t), p, insert))
	require.Equal(t, constraint, kind(retry.Do(patient(t), p, insert)))
	require.Equal(t, 2, attempts)
	require.Equal(t, 1, rows(t, db))
}

// sql.ErrNoRows is an error like any other to who does not mark it; what it spends is not what a
// failure needs that a retry ends.
func TestSQL_NoRows(t *testing.T) {
	for name, mark := range map[string]func(error) error{
		"marked":   retry.Permanent,
		"unmarked": func(err error) error { return err },
	} {
		t.Run(name, func(t *testing.T) {
			db, p := open(t), quick()
			balance := func(ctx context.Context) (n int, err error) {
				err = db.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE name = 'bob'").Scan(&n)
				if errors.Is(err, sql.ErrNoRows) {
					err = mark(err)
				}
				return n, err
			}
			for _, want := range map[string][]int{"marked": {1, 1}, "unmarked": {3, 2}}[name] {
				attempts := 0
				_, err := retry.DoValue(patient(t), p, func(ctx context.Context) (int, error) {
					attempts++
					return balance(ctx)
				})
				require.ErrorIs(t, err, sql.ErrNoRows)
				require.Equal(t, want, attempts)
			}
			unlock := lock(t, db)
			attempts := 0
			require.NoError(t, retry.Do(patient(t), p, func(ctx context.Context) error {
				if attempts++; attempts == 2 {
					unlock()
				}
				_, err := db.ExecContext(ctx, "INSERT INTO accounts VALUES ('bob', 1)")
				return err
			}))
			require.Equal(t, 2, attempts)
		})
	}
}

// A call under a context that has ended does not reach the database.
func TestSQL_ContextHasEnded(t *testing.T) {
	db := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	attempts := 0
	err := retry.Do(ctx, quick(), func(ctx context.Context) error {
		attempts++
		return db.PingContext(ctx)
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, attempts)
}
