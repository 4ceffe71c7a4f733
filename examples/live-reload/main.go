// Command live-reload keeps a policy in a JSON file and replaces it while it is in use. Budgets
// and latencies are kept, so that a reload in the middle of an outage does not give every client a
// full budget.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// current is the policy in use; a request that has begun ends under the one that it began with.
var current atomic.Pointer[retry.Policy]

// load puts the file's policy in place of the current one, or leaves that if there is a mistake in
// the file. Call it when the file changes: on SIGHUP, say.
func load(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	cfg, err := retry.ParseConfig(data)
	if err != nil {
		return err
	}
	next, err := current.Load().Reload(cfg)
	if err != nil {
		return err
	}
	current.Store(next)
	return nil
}

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError) // an outage
	}))
	defer server.Close()
	file := filepath.Join(os.TempDir(), fmt.Sprintf("policy-%d.json", os.Getpid()))
	defer os.Remove(file)

	current.Store(retry.Must(retry.New(retry.Config{})))
	client := &http.Client{Transport: httpx.NewTransport(nil, nil,
		httpx.WithPolicyFunc(func(*http.Request) *retry.Policy { return current.Load() }))}

	for _, text := range []string{
		`{"max_attempts": 2, "backoff": {"full_jitter": {"base": "1ms", "cap": "1s"}}}`,
		`{"max_attempts": 5, "backoff": {"full_jitter": {"base": "1ms", "cap": "1s"}}}`,
		`{"max_attempts": -5, "backof": "none"}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			log.Fatal(err)
		}
		fmt.Println("load:", load(file))
		resp, err := client.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		stopped, _ := httpx.ReportFrom(resp.Request.Context())
		fmt.Printf("policy of %d attempts: sent %d, stopped by %s\n",
			current.Load().Config().MaxAttempts, stopped.Attempts, stopped.Reason)
	}
}
