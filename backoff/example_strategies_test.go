package backoff_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/evenkeel-go/evenkeel/backoff"
)

// printWaits prints the first waits of a curve.
func printWaits(s backoff.Strategy, n int) {
	for wait := 1; wait <= n; wait++ {
		fmt.Print(s.Delay(wait, 0, 0), " ")
	}
	fmt.Println()
}

// printRange prints between which times a wait with jitter lies.
func printRange(s backoff.Strategy, wait int, prev time.Duration) {
	const almost1 = 1 - 1e-9
	fmt.Println(wait, "from", s.Delay(wait, prev, 0), "to", s.Delay(wait, prev, almost1).Round(time.Millisecond))
}

func ExampleNone() {
	printWaits(backoff.None(), 3)
	// Output: 0s 0s 0s
}

func ExampleConstant() {
	printWaits(backoff.Constant(250*time.Millisecond), 3)
	// Output: 250ms 250ms 250ms
}

func ExampleLinear() {
	printWaits(backoff.Linear(time.Second, 4*time.Second), 6)
	// Output: 1s 2s 3s 4s 4s 4s
}

func ExampleExponential() {
	printWaits(backoff.Exponential(100*time.Millisecond, time.Second), 6)
	// Output: 100ms 200ms 400ms 800ms 1s 1s
}

func ExampleFibonacci() {
	printWaits(backoff.Fibonacci(time.Second, 10*time.Second), 7)
	// Output: 1s 1s 2s 3s 5s 8s 10s
}

func ExampleEqualJitter() {
	s := backoff.EqualJitter(100*time.Millisecond, 10*time.Second)
	for _, wait := range []int{1, 2, 100} {
		printRange(s, wait, 0)
	}
	// Output:
	// 1 from 50ms to 100ms
	// 2 from 100ms to 200ms
	// 100 from 5s to 10s
}

// Each wait follows from the one before it.
func ExampleDecorrelatedJitter() {
	s := backoff.DecorrelatedJitter(100*time.Millisecond, 10*time.Second)
	printRange(s, 1, 0)
	printRange(s, 2, 200*time.Millisecond)
	printRange(s, 3, 9*time.Second)
	// Output:
	// 1 from 100ms to 300ms
	// 2 from 100ms to 600ms
	// 3 from 100ms to 10s
}

func ExampleSmoothDecorrelated() {
	s := backoff.SmoothDecorrelated(time.Second, 30*time.Second)
	random := rand.New(rand.NewPCG(1, 2))
	for wait := 1; wait <= 4; wait++ {
		delays := make([]time.Duration, 100_001)
		for i := range delays {
			delays[i] = s.Delay(wait, 0, random.Float64())
		}
		slices.Sort(delays)
		fmt.Println(wait, "median", delays[len(delays)/2].Round(100*time.Millisecond))
	}
	// Output:
	// 1 median 900ms
	// 2 median 1.1s
	// 3 median 2s
	// 4 median 4s
}

func ExampleFull() {
	printRange(backoff.Full(backoff.Linear(time.Second, time.Minute)), 3, 0)
	// Output: 3 from 0s to 3s
}

func ExampleEqual() {
	printRange(backoff.Equal(backoff.Linear(time.Second, time.Minute)), 3, 0)
	// Output: 3 from 1.5s to 3s
}

func ExampleFloor() {
	printRange(backoff.Floor(backoff.FullJitter(time.Second, time.Minute), 100*time.Millisecond), 1, 0)
	// Output: 1 from 100ms to 1s
}

func ExampleMarshalStrategy() {
	s := backoff.Proportional(backoff.Exponential(time.Second, 2*time.Minute), 0.2)
	text, err := backoff.MarshalStrategy(s)
	fmt.Println(string(text), err)
	// Output: {"proportional":{"by":0.2,"of":{"exponential":{"base":"1s","cap":"2m0s"}}}} <nil>
}

// doubtful is a strategy from elsewhere.
type doubtful struct{ base time.Duration }

func (d doubtful) Delay(wait int, _ time.Duration, _ float64) time.Duration {
	return time.Duration(wait) * d.base
}

func (d doubtful) Validate() error {
	if d.base <= 0 {
		return errors.New("base must be above 0")
	}
	return nil
}

func ExampleValidate() {
	fmt.Println(backoff.Validate(doubtful{base: time.Second}))
	fmt.Println(backoff.Validate(doubtful{}))
	fmt.Println(backoff.Validate(nil))
	// Output:
	// <nil>
	// base must be above 0
	// must be a strategy, not nil
}

// A Strategy of your own is one method. This one waits longer at each second wait.
func ExampleStrategy() {
	var s backoff.Strategy = steps{}
	printWaits(backoff.Cap(s, 3*time.Second), 6)
	// Output: 1s 1s 2s 2s 3s 3s
}

type steps struct{}

func (steps) Delay(wait int, _ time.Duration, _ float64) time.Duration {
	return time.Duration((wait+1)/2) * time.Second
}

// list waits as its list says, and then wants no further attempt. It must remember where it is, so
// each call gets an instance of its own.
type list []time.Duration

func (l list) NewCall() backoff.Strategy { return &walk{left: l} }

func (l list) Delay(wait int, _ time.Duration, _ float64) time.Duration {
	return l[min(wait, len(l))-1]
}

type walk struct{ left []time.Duration }

func (w *walk) Delay(int, time.Duration, float64) time.Duration {
	if len(w.left) == 0 {
		return -1
	}
	d := w.left[0]
	w.left = w.left[1:]
	return d
}

func ExampleStateful() {
	var s backoff.Stateful = list{time.Second, 5 * time.Second}
	call := s.NewCall()
	fmt.Println(call.Delay(1, 0, 0), call.Delay(2, 0, 0), call.Delay(3, 0, 0) < 0)
	// Output: 1s 5s true
}
