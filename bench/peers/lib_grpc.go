package main

import (
	"fmt"

	"google.golang.org/grpc"
)

// grpcLibrary is gRPC-Go's own retries, by service config (gRFC A6).
var grpcLibrary = &library{
	name:   "grpc-go",
	module: "google.golang.org/grpc",
	dial: func(r rules) []grpc.DialOption {
		wait := max(r.delay.Seconds(), 1e-9) // it refuses zero
		return []grpc.DialOption{grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"methodConfig": [{
			"name": [{}],
			"retryPolicy": {
				"maxAttempts": %d, "initialBackoff": "%.9fs", "maxBackoff": "%.9fs", "backoffMultiplier": 1,
				"retryableStatusCodes": ["UNAVAILABLE"]
			}
		}]}`, r.attempts, wait, wait))}
	},
	streams: true,
}
