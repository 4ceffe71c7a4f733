package sdks_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newSQLPolicy() *retry.Policy {
	// docs/sdks.md#database/sql
	policy := retry.Must(retry.New(retry.Config{}, retry.WithPermanent(sql.ErrNoRows, driver.ErrBadConn)))
	// end
	return policy
}

func count(ctx context.Context, policy *retry.Policy, db *sql.DB) (int, error) {
	// docs/sdks.md#database/sql
	n, err := retry.DoValue(ctx, policy, func(ctx context.Context) (n int, err error) {
		err = db.QueryRowContext(ctx, "SELECT count(*) FROM items").Scan(&n)
		return n, err
	})
	// end
	return n, err
}

// database is a driver that counts queries and fails the first.
type database struct {
	fails, served int
	err           error
}

func (d *database) Connect(context.Context) (driver.Conn, error) { return session{d}, nil }
func (d *database) Driver() driver.Driver                        { return nil }

type session struct{ *database }

func (session) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (session) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (session) Close() error                        { return nil }

func (s session) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	if s.served++; s.served <= s.fails {
		return nil, s.err
	}
	return &rows{}, nil
}

// rows are one row of one 1.
type rows struct{ read bool }

func (*rows) Columns() []string { return []string{"count"} }
func (*rows) Close() error      { return nil }

func (r *rows) Next(values []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read, values[0] = true, int64(1)
	return nil
}

func TestSQL(t *testing.T) {
	skipShort(t)
	var db *sql.DB // of a cell
	busy := errors.New("busy")
	ways := []fakenet.Way{
		{Label: fakenet.Own, Call: func(ctx context.Context) error {
			return db.QueryRowContext(ctx, "SELECT count(*) FROM items").Scan(new(int))
		}},
		{Label: "**the lines above**", Call: func(ctx context.Context) error {
			_, err := count(ctx, newSQLPolicy(), db)
			return err
		}},
	}
	columns := []struct {
		fails int
		err   error
	}{{2, busy}, {2, driver.ErrBadConn}, {fakenet.Always, driver.ErrBadConn}, {2, sql.ErrNoRows}}
	fakenet.Compare(t, "database/sql", len(columns), ways, func(t *testing.T, column int, way fakenet.Way) string {
		t.Helper()
		d := &database{fails: columns[column].fails, err: fmt.Errorf("driver: %w", columns[column].err)}
		db = sql.OpenDB(d)
		defer db.Close()
		err := fakenet.Deadline(t, way.Call)
		return fakenet.Cell(d.served, err)
	})
}
