// Command periodic refreshes something in every period, each host at its own time, so that a
// thousand hosts that were started together do not ask together.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/retry"
)

func main() {
	// The slot depends on the key and the period alone: the same host, the same second, in every
	// process.
	for _, host := range []string{"web1", "web2", "web3"} {
		fmt.Println(host, "refreshes at second", int(backoff.Phase(host+"/refresh", time.Minute).Seconds()))
	}

	const period = time.Second // a minute, in earnest
	policy := retry.Must(retry.New(retry.Config{}))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	runs := 0
	err := backoff.Every(ctx, "web1/refresh", period, func(ctx context.Context) error {
		// A run has until the next one. If it fails for good, the next run is the retry, as soon
		// as the error says.
		ctx, stop := context.WithTimeout(ctx, period)
		defer stop()
		err := retry.Do(ctx, policy, refresh)
		runs++
		fmt.Println("run", runs, "error:", err)
		if runs == 3 {
			cancel()
		}
		return err
	})
	fmt.Println("ended:", err)
}

func refresh(context.Context) error { return nil }
