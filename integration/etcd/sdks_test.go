package etcd_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newStrict(endpoints []string, policy *retry.Policy) (*clientv3.Client, error) {
	// docs/sdks.md#etcd
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   endpoints,
		DialOptions: grpcx.DialOptions(policy, grpcx.WithStrictIdempotency()),
	})
	// end
	return client, err
}

func TestSDKs_Etcd(t *testing.T) {
	skipShort(t)
	put := func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Put(ctx, "a", "1")
		return err
	}
	set := func(ctx context.Context, c *clientv3.Client) error {
		_, err := take(ctx, c, "me")
		return err
	}
	read := func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Get(ctx, "a")
		return err
	}
	columns := []struct {
		method string
		lost   bool
		call   func(context.Context, *clientv3.Client) error
	}{{putMethod, false, put}, {txnMethod, true, set}, {rangeMethod, true, read}}
	var rows []string
	for _, way := range []struct {
		label string
		of    func(endpoints []string) (*clientv3.Client, error)
	}{
		{fakenet.Own, func(endpoints []string) (*clientv3.Client, error) {
			return clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
		}},
		{"without `WithStrictIdempotency`", func(endpoints []string) (*clientv3.Client, error) {
			options := grpcx.DialOptions(retry.Must(retry.New(retry.Config{})))
			return clientv3.New(clientv3.Config{Endpoints: endpoints, DialOptions: options, Logger: zap.NewNop()})
		}},
		{fakenet.Evenkeel, func(endpoints []string) (*clientv3.Client, error) {
			return newStrict(endpoints, retry.Must(retry.New(retry.Config{})))
		}},
	} {
		row := "| " + way.label + " |"
		for _, column := range columns {
			e := newEtcd(t)
			c, err := way.of([]string{e.relay.address})
			require.NoError(t, err)
			_, err = c.Get(patient(t), "b") // there is a connection
			require.NoError(t, err)
			before := e.seen(column.method)
			if column.lost {
				e.loseReply(column.method)
			} else {
				e.refuse(column.method)
			}
			err = column.call(patient(t), c)
			row += " " + fakenet.Cell(e.seen(column.method)-before, err) + " |"
			require.NoError(t, c.Close())
		}
		rows = append(rows, row)
	}
	fakenet.Rows(t, "etcd", rows...)
}
