package balancer_test

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/grpcx/balancer"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
)

func Example() {
	policy := retry.Must(retry.New(retry.Config{}))
	conn, err := grpc.NewClient("dns:///orders.internal:443", append(
		grpcx.DialOptions(policy),
		balancer.DialOption(balancer.Config{SetAside: &outlier.Config{}}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	)...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	// Output:
}

func ExampleServiceConfig() {
	fmt.Println(balancer.ServiceConfig(balancer.Config{
		Child: "round_robin", SetAside: &outlier.Config{MaxShare: .3},
	}))
	// Output: {"loadBalancingConfig":[{"evenkeel":{"childPolicy":[{"round_robin":{}}],"setAside":{"maxShare":0.3}}}]}
}
