package balancer_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	gbalancer "google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/evenkeel-go/evenkeel/grpcx/balancer"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/outlier"
)

func TestServiceConfig_AcceptedByGRPC(t *testing.T) {
	for _, c := range []balancer.Config{
		{},
		{Child: "pick_first"},
		{SetAside: &outlier.Config{}},
		{SetAside: &outlier.Config{
			Failures: 3, Excess: .1, Slower: 3, MaxShare: .2, Base: 1500 * time.Millisecond, Max: 2 * time.Minute,
		}},
	} {
		cc, err := grpc.NewClient("passthrough:///", balancer.DialOption(c),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err, "%+v", c)
		require.NoError(t, cc.Close())
	}
	assert.Panics(t, func() { balancer.ServiceConfig(balancer.Config{SetAside: &outlier.Config{MaxShare: 2}}) })
	assert.Panics(t, func() { balancer.ServiceConfig(balancer.Config{ChildConfig: json.RawMessage("{")}) })
}

func TestParseConfig_NamesMistakes(t *testing.T) {
	parser, ok := gbalancer.Get(balancer.Name).(gbalancer.ConfigParser)
	require.True(t, ok)
	for text, want := range map[string]string{
		`{`:                                   "evenkeel",
		`{"childPolicy": []}`:                 "no registered policy",
		`{"childPolicy": [{"nobody": {}}]}`:   "is its package imported?",
		`{"childPolicy": [{"evenkeel": {}}]}`: "another policy",
		`{"childPolicy": [{}]}`:               "entry 0",
		`{"childPolicy": [{"pick_first": {"a": []}, "round_robin": {}}]}`: "entry 0",
		`{"setAside": {"maxShare": 2}}`:                                   "setAside: MaxShare",
		`{"setAside": {"baseTime": "soon"}}`:                              "baseTime",
		`{"setAside": {"baseTime": "2m", "maxTime": "1m"}}`:               "Max",
	} {
		_, err := parser.ParseConfig(json.RawMessage(text))
		assert.ErrorContains(t, err, want, "%s", text)
	}
	for _, text := range []string{
		`{}`, `{"later": 1}`, `{"childPolicy": [{"nobody": {}}, {"round_robin": {}}], "setAside": {}}`,
	} {
		_, err := parser.ParseConfig(json.RawMessage(text))
		assert.NoError(t, err, "%s", text)
	}
}

func TestConfig_MayChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		c := f.client(t, testkit.Immediate(t), balancer.Config{})
		settle()
		use := func(cfg balancer.Config) {
			s := f.state()
			s.ServiceConfig = f.resolver.CC().ParseServiceConfig(balancer.ServiceConfig(cfg))
			f.resolver.UpdateState(s)
			settle()
		}
		spread := func() (n []int64) {
			before := f.calls()
			for range 20 {
				_, err := unary(c)
				require.NoError(t, err)
			}
			for i, m := range f.calls() {
				n = append(n, m-before[i])
			}
			return n
		}
		require.Equal(t, []int64{10, 10}, spread())
		use(balancer.Config{Child: "pick_first"})
		require.Equal(t, []int64{20, 0}, spread())
		use(balancer.Config{SetAside: &outlier.Config{}})
		require.Equal(t, []int64{10, 10}, spread())
		f.backends[0].do(fails(codes.Unavailable))
		spread()
		require.Equal(t, []int64{0, 20}, spread(), "a is set aside")
		use(balancer.Config{SetAside: &outlier.Config{}})
		require.LessOrEqual(t, spread()[0], int64(1), "the same config keeps what is known")
		use(balancer.Config{SetAside: &outlier.Config{MaxShare: .1}})
		require.Greater(t, spread()[0], int64(4), "another one begins anew")
		use(balancer.Config{})
		require.GreaterOrEqual(t, spread()[0], int64(10), "nobody is set aside")
	})
}
