package timeout_test

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel-go/evenkeel/timeout"
)

func ExamplePercentile() {
	// At most one attempt in a hundred may be given up although it would have been answered.
	limit := timeout.Percentile{Rate: 0.01, Ceiling: 2 * time.Second}.New().(timeout.Learner)
	fmt.Println("before the first answer:", limit.Timeout())

	// A policy does this for each attempt: 98 of 100 take 10 ms, the others 50 ms.
	now := time.Now()
	for i := range 1000 {
		took := 10 * time.Millisecond
		if i%50 == 0 {
			took = 50 * time.Millisecond
		}
		now = now.Add(10 * time.Millisecond)
		limit.Observe(now, took, true)
	}
	fmt.Println("after a thousand:", limit.Timeout().Round(10*time.Millisecond))
	fmt.Println("usually:", limit.Usual().Round(time.Millisecond))
	// Output:
	// before the first answer: 2s
	// after a thousand: 50ms
	// usually: 10ms
}

func ExampleUnmarshalSpec() {
	for _, text := range []string{
		`"250ms"`,
		`{"percentile": {"rate": 0.01, "ceiling": "2s"}}`,
		`{"percentile": {"rate": 7, "ceilling": "2s"}}`,
	} {
		spec, err := timeout.UnmarshalSpec([]byte(text))
		if err != nil {
			fmt.Println(err)
			continue
		}
		back, _ := timeout.MarshalSpec(spec)
		fmt.Println(string(back))
	}
	// Output:
	// {"fixed":"250ms"}
	// {"percentile":{"ceiling":"2s","rate":0.01}}
	// percentile.ceilling: unknown field (did you mean ceiling?)
	// percentile.rate: must be 1e-05 to 0.5, not 7
}

// A server has a second to answer in, and wants 100 ms of it to say that it could not.
func ExampleReserve() {
	request, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()

	work, cancel := timeout.Reserve(request, 100*time.Millisecond)
	defer cancel()

	whole, _ := request.Deadline()
	mine, _ := work.Deadline()
	fmt.Println(whole.Sub(mine))
	// Output: 100ms
}
