package sdks_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newPostgresPolicy() *retry.Policy {
	// docs/sdks.md#pgx
	policy := retry.Must(retry.New(retry.Config{}, retry.WithClassifier(func(err error) retry.Outcome {
		var refused *pgconn.PgError
		switch {
		case pgconn.SafeToRetry(err): // nothing was sent
			return retry.Outcome{Class: retry.Unprocessed}
		case !errors.As(err, &refused):
			return retry.Classify(err)
		}
		switch refused.Code {
		case "40001", "40P01": // serialization failure, deadlock: rolled back
			return retry.Outcome{Class: retry.Unprocessed}
		case "53300", "57P01", "57P03": // too many connections, shutting down, starting up
			return retry.Outcome{Class: retry.Unprocessed, Evidence: budget.Overloaded}
		}
		return retry.Outcome{Class: retry.Rejected, Alive: true}
	})))
	// end
	return policy
}

func transfer(ctx context.Context, policy *retry.Policy, pool *pgxpool.Pool) error {
	// docs/sdks.md#pgx
	ctx = retry.WithIdempotency(ctx, retry.NotIdempotent) // after a lost reply the transfer may have been made
	err := retry.Do(ctx, policy, func(ctx context.Context) error {
		_, err := pool.Exec(ctx, "SELECT transfer('ada', 'bob', 10)")
		return err
	})
	// end
	return err
}

// postgres is a server of connections that answers every query with one row's worth of nothing,
// and fails the first.
type postgres struct {
	*rpcServer
	code string // of the failure
}

func newPostgres(t *testing.T, fails int, code string) *postgres {
	t.Helper()
	p := &postgres{rpcServer: &rpcServer{Listener: fakenet.Listen(), fails: fails}, code: code}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := p.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	t.Cleanup(func() {
		_ = p.Close()
		p.cut()
		<-done
	})
	return p
}

func (p *postgres) serve(c net.Conn) {
	defer c.Close()
	b := pgproto3.NewBackend(c, c)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for b.Flush() == nil {
		m, err := b.Receive()
		if err != nil {
			return
		}
		if _, isQuery := m.(*pgproto3.Query); !isQuery {
			continue
		}
		switch {
		case !p.next():
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		case p.code == "":
			return // the connection is lost, after the query's effect
		default:
			b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: p.code, Message: "failed"})
		}
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}

func (p *postgres) pool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig("postgres://user@127.0.0.1/db?sslmode=disable&default_query_exec_mode=simple_protocol")
	require.NoError(t, err)
	cfg.ConnConfig.DialFunc = p.Dial
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func TestPgx(t *testing.T) {
	skipShort(t)
	var pool *pgxpool.Pool // of a cell
	ways := []fakenet.Way{
		{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			_, err := pool.Exec(ctx, "SELECT transfer('ada', 'bob', 10)")
			return err
		}},
		{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			return transfer(ctx, newPostgresPolicy(), pool)
		}},
	}
	codes := []string{"40001", "57P03", "", "23505"}
	fakenet.Compare(t, "pgx", len(codes), ways, func(t *testing.T, column int, way fakenet.Way) string {
		t.Helper()
		p := newPostgres(t, 2, codes[column])
		pool = p.pool(t)
		err := fakenet.Deadline(t, way.Call)
		return fakenet.Cell(p.calls(), err)
	})
}
