package balancer_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gbalancer "google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx/balancer"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
)

// counting is a child policy that counts what it has picked and not got back, always picks the
// first backend four times in a row, and drops calls when told to.
type counting struct {
	picked, open, bytes, dropped atomic.Int64
	drop                         atomic.Bool
}

func (c *counting) Build(info base.PickerBuildInfo) gbalancer.Picker {
	p := &countingPicker{c: c}
	for sc := range info.ReadySCs {
		p.scs = append(p.scs, sc)
	}
	if len(p.scs) == 0 {
		return base.NewErrPicker(gbalancer.ErrNoSubConnAvailable)
	}
	return p
}

type countingPicker struct {
	c   *counting
	scs []gbalancer.SubConn
}

func (p *countingPicker) Pick(gbalancer.PickInfo) (gbalancer.PickResult, error) {
	if p.c.drop.Load() {
		p.c.dropped.Add(1)
		return gbalancer.PickResult{}, status.Error(codes.Unavailable, "dropped")
	}
	n := p.c.picked.Add(1) - 1
	p.c.open.Add(1)
	return gbalancer.PickResult{
		SubConn: p.scs[int(n/4)%len(p.scs)],
		Done: func(i gbalancer.DoneInfo) {
			p.c.open.Add(-1)
			if i.BytesReceived {
				p.c.bytes.Add(1)
			}
		},
	}, nil
}

var child = new(counting)

func init() {
	gbalancer.Register(base.NewBalancerBuilder("counting", child, base.Config{}))
}

func TestChild_CountsStayCorrect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		*child = counting{}
		f := newFleet(t, "a", "b", "c")
		f.backends[0].do(fails(codes.Unavailable))
		c := f.client(t, testkit.Immediate(t), balancer.Config{Child: "counting"})
		settle()
		for range 100 {
			_, err := unary(c)
			require.NoError(t, err)
		}
		synctest.Wait()
		attempts := int64(0)
		for _, n := range f.calls() {
			attempts += n
		}
		assert.Zero(t, child.open.Load(), "every pick is handed back")
		assert.Equal(t, attempts, child.bytes.Load(), "and only attempts as used")
		assert.Greater(t, child.picked.Load(), attempts, "the child was asked again")
	})
}

func TestDrop_NotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		*child = counting{}
		f := newFleet(t, "a", "b")
		c := f.client(t, testkit.Immediate(t), balancer.Config{Child: "counting"})
		settle()
		child.drop.Store(true)
		_, err := unary(c)
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.ErrorContains(t, err, "dropped")
		assert.Equal(t, int64(1), child.dropped.Load())
	})
}

func TestDrop_PlainClientSeesTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		*child = counting{}
		f := newFleet(t, "a", "b")
		c := f.client(t, nil, balancer.Config{Child: "counting"})
		settle()
		child.drop.Store(true)
		_, err := unary(c)
		assert.Equal(t, "dropped", status.Convert(err).Message())
	})
}
