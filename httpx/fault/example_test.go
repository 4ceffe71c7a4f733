package fault_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"syscall"

	"github.com/evenkeel-go/evenkeel/httpx/fault"
)

// A client's test: the first request is answered 503, the second finds no server.
func ExampleTransport() {
	client := &http.Client{Transport: fault.Transport(nil, fault.Script(
		fault.Fault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"1"}}},
		fault.Fault{Refuse: true},
	))}
	resp, err := client.Get("http://orders.internal/7")
	fmt.Println(resp.StatusCode, resp.Header["Retry-After"], err)
	_, err = client.Get("http://orders.internal/7")
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	// Output:
	// 503 [1] <nil>
	// true
}

// A server that fails once.
func ExampleHandler() {
	server := httptest.NewServer(fault.Handler(http.NotFoundHandler(), fault.Script(fault.Fault{Status: 500})))
	defer server.Close()
	for range 2 {
		resp, err := http.Get(server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	// Output:
	// 500
	// 404
}

func ExampleScript() {
	plan := fault.Script(fault.Fault{Reset: true}, fault.Fault{}, fault.Fault{Status: 500})
	for range 4 {
		f := plan(nil)
		fmt.Println(f.Reset, f.Status)
	}
	// Output:
	// true 0
	// false 0
	// false 500
	// false 0
}

// One request in ten fails. The same seed gives the same faults.
func ExampleRandom() {
	plan := fault.Random(1, fault.Rule{Probability: 0.1, Fault: fault.Fault{Status: 500}})
	failed := 0
	for range 10_000 {
		if plan(nil).Status == 500 {
			failed++
		}
	}
	fmt.Println(failed > 900 && failed < 1100)
	// Output: true
}
