// Command hedged-reads reads from a server of which every tenth answer hangs. A hedge is a second
// attempt beside the slow one; the first answer counts, and the other attempt is cancelled.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

const reads = 100

func main() {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%10 == 0 {
			select { // a straggler: it would take half a minute
			case <-time.After(30 * time.Second):
			case <-r.Context().Done(): // but a loser is cancelled at once
			}
		}
	}))
	defer server.Close()

	wins := new(wins)
	policy := retry.Must(retry.New(retry.Config{
		// Hedge what is slower than 95 of 100 answers, but nothing that takes less than 100 ms.
		// The percentile is learnt from the calls; until it is known after WarmUp answers, the
		// Ceiling is the delay.
		Hedge: timeout.Percentile{Rate: 0.05, Floor: 100 * time.Millisecond, Ceiling: 250 * time.Millisecond},
	}, retry.WithObserver(wins)))
	client := &http.Client{Transport: httpx.NewTransport(nil, policy)}

	slowest := time.Duration(0)
	for range reads {
		start := time.Now()
		resp, err := client.Get(server.URL)
		if err != nil {
			fmt.Println("error:", err)
			return
		}
		resp.Body.Close()
		slowest = max(slowest, time.Since(start))
	}
	fmt.Println("reads:", reads)
	fmt.Println("at least ten were answered by a hedge:", wins.Load() >= 10)
	fmt.Println("the slowest took less than twenty seconds:", slowest < 20*time.Second)
	fmt.Println("attempts a read: ", float64(requests.Load())/reads)
}

// wins counts the calls whose answer came from a hedge.
type wins struct{ atomic.Int64 }

func (w *wins) AttemptDone(context.Context, retry.Attempt) {}

func (w *wins) CallDone(_ context.Context, r retry.Report) {
	if r.Hedged {
		w.Add(1)
	}
}
