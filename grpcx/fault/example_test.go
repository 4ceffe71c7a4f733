package fault_test

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/grpcx/fault"
)

// The second call of one method fails.
func ExampleNew() {
	in := fault.New(1, fault.Rule{
		Method: "/orders.v1.Orders/Get",
		Script: []bool{false, true},
		Fault:  fault.Fault{Code: codes.Unavailable, Message: "draining"},
	})
	_ = grpc.NewServer(grpc.UnaryInterceptor(in.Unary), grpc.StreamInterceptor(in.Stream))

	info := &grpc.UnaryServerInfo{FullMethod: "/orders.v1.Orders/Get"}
	for range 3 { // as the server does with each call
		_, err := in.Unary(context.Background(), nil, info, func(context.Context, any) (any, error) { return "order", nil })
		fmt.Println(status.Code(err))
	}
	fmt.Println("faults:", in.Hits())
	// Output:
	// OK
	// Unavailable
	// OK
	// faults: 1
}

func ExamplePushbackAfter() {
	f := fault.Fault{Code: codes.Unavailable, Pushback: fault.PushbackAfter(2 * time.Second)}
	fmt.Println(f.Pushback)
	// Output: 2000
}
