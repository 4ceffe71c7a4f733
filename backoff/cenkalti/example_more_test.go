package cenkalti_test

import (
	"errors"
	"fmt"
	"time"

	upstream "github.com/cenkalti/backoff/v4"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/backoff/cenkalti"
)

func ExampleMaxAttempts() {
	b := cenkalti.To(backoff.Constant(time.Second), cenkalti.MaxAttempts(3))
	fmt.Println(b.NextBackOff(), b.NextBackOff(), b.NextBackOff() == upstream.Stop)
	// Output: 1s 1s true
}

func ExampleWithRand() {
	half := func() float64 { return 0.5 }
	b := cenkalti.To(backoff.FullJitter(time.Second, time.Minute), cenkalti.WithRand(half))
	fmt.Println(b.NextBackOff(), b.NextBackOff())
	// Output: 500ms 1s
}

func ExampleClassify() {
	fmt.Println(cenkalti.Classify(errors.New("busy")).Class)
	fmt.Println(cenkalti.Classify(upstream.Permanent(errors.New("no such user"))).Class)
	// Output:
	// transient
	// rejected
}

func ExampleIsPermanent() {
	err := fmt.Errorf("read user: %w", upstream.Permanent(errors.New("no such user")))
	fmt.Println(cenkalti.IsPermanent(err), cenkalti.IsPermanent(errors.New("busy")))
	// Output: true false
}
