package call_test

import (
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/call"
)

// A driver carries out what a Call says. This one has a virtual clock, as the simulator does.
func ExampleCall() {
	rules := call.Rules{MaxAttempts: 3, Backoff: backoff.Constant(100 * time.Millisecond)}
	start := time.Unix(0, 0)
	now := start
	c := rules.Start(now, call.Options{Deadline: now.Add(time.Second)})
	for {
		switch step := c.Next(now); step.Op {
		case call.Send:
			fmt.Println(now.Sub(start), "send attempt", step.Attempt)
			now = now.Add(300 * time.Millisecond)
			c.Done(now, step.Attempt, call.Outcome{Class: call.Transient})
		case call.Wait:
			now = step.At
		case call.Stop:
			fmt.Println(now.Sub(start), "stop:", step.Reason)
			return
		}
	}
	// Output:
	// 0s send attempt 1
	// 400ms send attempt 2
	// 800ms send attempt 3
	// 1.1s stop: max_attempts
}
