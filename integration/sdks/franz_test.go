package sdks_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newKafka(opts ...kgo.Opt) (*kgo.Client, error) {
	// docs/sdks.md#franz-go
	opts = append(opts,
		kgo.RecordRetries(10),                  // by default it never gives up,
		kgo.RecordDeliveryTimeout(time.Minute), // nor by time
		kgo.RequestRetries(2),                  // of all but produce: three attempts
	)
	client, err := kgo.NewClient(opts...)
	// end
	return client, err
}

// kafka is a cluster of one broker that counts produce requests and fails the first.
type kafka struct {
	*rpcServer
	*kfake.Cluster
}

func newCluster(t *testing.T, fails int, lose bool) *kafka {
	t.Helper()
	k := &kafka{rpcServer: &rpcServer{Listener: fakenet.Listen(), fails: fails, lose: lose}}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.SeedTopics(1, "topic"),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return k.rpcServer, nil }),
	)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	k.Cluster = cluster
	cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		switch {
		case !k.next():
			return nil, nil, false
		case k.lose:
			k.cut() // it is stored all the same
			return nil, nil, false
		}
		return refuse(r.(*kmsg.ProduceRequest)), nil, true
	})
	return k
}

// refuse makes an answer that the broker is not up to it just now.
func refuse(r *kmsg.ProduceRequest) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range r.Topics {
		answer := kmsg.NewProduceResponseTopic()
		answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
		for _, p := range topic.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, kerr.NotEnoughReplicas.Code
			answer.Partitions = append(answer.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, answer)
	}
	return resp
}

func (k *kafka) options() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(k.ListenAddrs()...), kgo.Dialer(k.Dial), kgo.DefaultProduceTopic("topic"),
	}
}

// stored returns how often the record is in the topic.
func (k *kafka) stored() int64 { return k.PartitionInfo("topic", 0).HighWatermark }

func TestFranz(t *testing.T) {
	skipShort(t)
	var k *kafka // of a cell
	produce := func(ctx context.Context, c *kgo.Client) error {
		return c.ProduceSync(ctx, kgo.StringRecord("record")).FirstErr()
	}
	ways := []fakenet.Way{
		{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			c, err := kgo.NewClient(append(k.options(), kgo.RecordRetries(0))...)
			if err != nil {
				return err
			}
			defer c.Close()
			return produce(ctx, c)
		}},
		{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			c, err := newKafka(k.options()...)
			if err != nil {
				return err
			}
			defer c.Close()
			return produce(ctx, c)
		}},
		{Label: "`retry.Do` around `ProduceSync`", Call: func(ctx context.Context) error {
			c, err := kgo.NewClient(append(k.options(), kgo.RecordRetries(0), kgo.DisableIdempotentWrite())...)
			if err != nil {
				return err
			}
			defer c.Close()
			return retry.Do(ctx, newPolicy(), func(ctx context.Context) error { return produce(ctx, c) })
		}},
	}
	fakenet.Compare(t, "franz-go", 2, ways, func(t *testing.T, column int, way fakenet.Way) string {
		t.Helper()
		k = newCluster(t, 2, column == 1)
		err := fakenet.Deadline(t, way.Call)
		text := fmt.Sprintf("%d, stored %d times", k.calls(), k.stored())
		if err != nil {
			text += ", fails"
		}
		return text
	})
}
