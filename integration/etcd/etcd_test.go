package etcd_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx"
)

// take acquires a free lock by compare-and-set.
func take(ctx context.Context, c *clientv3.Client, who string) (*clientv3.TxnResponse, error) {
	return c.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision("lock"), "=", 0)).
		Then(clientv3.OpPut("lock", who)).
		Commit()
}

// The reply of a compare-and-set is lost. Sent again it would say that somebody else has the
// lock, without an error: the caller must hear that it does not know. Only a caller who declares
// the method has it sent again.
func TestLostReply_CompareAndSet(t *testing.T) {
	for name, test := range map[string]struct {
		opts  []grpc.DialOption
		again bool
	}{
		"bare":     {nil, false},
		"evenkeel": {evenkeel(), false},
		"strict":   {evenkeel(grpcx.WithStrictIdempotency()), false},
		"declared": {evenkeel(grpcx.WithIdempotentMethods(txnMethod)), true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEtcd(t)
			c, ctx := e.client(test.opts...), patient(t)
			_, err := c.Get(ctx, "lock") // there is a connection
			require.NoError(t, err)
			e.loseReply(txnMethod)
			resp, err := take(ctx, c, "me")
			if test.again {
				require.NoError(t, err)
				require.False(t, resp.Succeeded)
				require.Equal(t, 2, e.seen(txnMethod))
			} else {
				require.Equal(t, codes.Unavailable, status.Code(err), "%v %v", resp, err)
				require.Equal(t, 1, e.seen(txnMethod))
			}
			got, err := c.Get(ctx, "lock")
			require.NoError(t, err)
			require.Equal(t, "me", string(got.Kvs[0].Value), "the server had done it")
		})
	}
}

// The reply to a read is lost: etcd's client reads again by itself, so that the library need not.
func TestLostReply_Read(t *testing.T) {
	skipShort(t)
	for name, opts := range map[string][]grpc.DialOption{
		"bare":     nil,
		"evenkeel": evenkeel(),
		"declared": evenkeel(grpcx.WithIdempotentMethods(rangeMethod)),
	} {
		t.Run(name, func(t *testing.T) {
			e := newEtcd(t)
			c, ctx := e.client(opts...), patient(t)
			_, err := c.Put(ctx, "a", "1")
			require.NoError(t, err)
			e.loseReply(rangeMethod)
			got, err := c.Get(ctx, "a")
			require.NoError(t, err)
			require.Equal(t, "1", string(got.Kvs[0].Value))
			require.Equal(t, 2, e.seen(rangeMethod))
		})
	}
}

// A write while the server is down waits for it to come back, as etcd's client asks of gRPC, and
// arrives once.
func TestRestart_Write(t *testing.T) {
	skipShort(t)
	for name, opts := range map[string][]grpc.DialOption{
		"bare":     nil,
		"evenkeel": evenkeel(),
	} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan struct{}, 2)
			tell := func(
				ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
				invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
			) error {
				if method == putMethod {
					sent <- struct{}{}
				}
				return invoke(ctx, method, req, reply, cc, opts...)
			}
			e := newEtcd(t)
			c, ctx := e.client(append(opts, grpc.WithChainUnaryInterceptor(tell))...), patient(t)
			_, err := c.Put(ctx, "a", "1")
			require.NoError(t, err)
			<-sent
			e.kill()
			done := make(chan error, 1)
			go func() {
				_, err := c.Put(ctx, "a", "2")
				done <- err
			}()
			<-sent
			e.start()
			require.NoError(t, <-done)
			require.Equal(t, 2, e.seen(putMethod))
			got, err := c.Get(ctx, "a")
			require.NoError(t, err)
			require.Equal(t, "2", string(got.Kvs[0].Value))
		})
	}
}

// The server itself says that it is unavailable: etcd's client gives a write up, and the library
// sends it again, because the server says that it did nothing.
func TestRefused_Write(t *testing.T) {
	skipShort(t)
	for name, test := range map[string]struct {
		opts []grpc.DialOption
		code codes.Code
		seen int
	}{
		"bare":     {nil, codes.Unavailable, 1},
		"evenkeel": {evenkeel(), codes.OK, 2},
		"strict":   {evenkeel(grpcx.WithStrictIdempotency()), codes.Unavailable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEtcd(t)
			c, ctx := e.client(test.opts...), patient(t)
			e.refuse(putMethod)
			_, err := c.Put(ctx, "a", "1")
			require.Equal(t, test.code, status.Code(err), "%v", err)
			require.Equal(t, test.seen, e.seen(putMethod))
		})
	}
}

// A watch goes on across a restart and shows each change once, in order.
func TestRestart_Watch(t *testing.T) {
	skipShort(t)
	for name, opts := range map[string][]grpc.DialOption{
		"bare":     nil,
		"evenkeel": evenkeel(),
	} {
		t.Run(name, func(t *testing.T) {
			e := newEtcd(t)
			c, other := e.client(opts...), e.client(evenkeel()...)
			ctx := patient(t)
			changes := c.Watch(ctx, "a", clientv3.WithRev(1))
			put := func(v string) {
				_, err := other.Put(ctx, "a", v)
				require.NoError(t, err)
			}
			next := func() (values []string) {
				resp, ok := <-changes
				require.True(t, ok)
				require.NoError(t, resp.Err())
				for _, event := range resp.Events {
					values = append(values, string(event.Kv.Value))
				}
				return values
			}
			put("1")
			require.Equal(t, []string{"1"}, next())
			require.Equal(t, 1, e.seen(watchMethod))
			e.kill()
			e.start()
			put("2")
			put("3")
			for values := []string{}; len(values) < 2; {
				values = append(values, next()...)
				require.Equal(t, []string{"2", "3"}[:len(values)], values)
			}
			require.Equal(t, 2, e.seen(watchMethod))
		})
	}
}

// A watch that is given up while the server is down ends at once, with nothing more to say.
func TestRestart_WatchIsGivenUp(t *testing.T) {
	skipShort(t)
	for name, opts := range map[string][]grpc.DialOption{
		"bare":     nil,
		"evenkeel": evenkeel(),
	} {
		t.Run(name, func(t *testing.T) {
			e := newEtcd(t)
			c := e.client(opts...)
			ctx, cancel := context.WithCancel(patient(t))
			defer cancel()
			changes := c.Watch(ctx, "a", clientv3.WithCreatedNotify())
			created, ok := <-changes
			require.True(t, ok)
			require.True(t, created.Created)
			e.kill()
			cancel()
			for resp := range changes {
				require.Empty(t, resp.Events)
			}
			require.Equal(t, 1, e.seen(watchMethod))
		})
	}
}

func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short runs the lost reply of a compare-and-set alone")
	}
}
