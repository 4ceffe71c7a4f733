// Command idempotent-post pays through a server that does its work and then fails to say so.
// Without a key the client cannot know whether to try again; with one it tries again, and the
// server pays once.
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func main() {
	bank := &bank{seen: map[string]bool{}}
	server := httptest.NewServer(bank)
	defer server.Close()
	policy := retry.Must(retry.New(retry.Config{}))

	plain := &http.Client{Transport: httpx.NewTransport(nil, policy)}
	fmt.Println("without a key:")
	pay(plain, server.URL)
	bank.print()

	keyed := &http.Client{Transport: httpx.NewTransport(nil, policy, httpx.WithIdempotencyKey())}
	fmt.Println("with a key:")
	pay(keyed, server.URL)
	bank.print()
}

func pay(client *http.Client, url string) {
	resp, err := client.Post(url, "text/plain", strings.NewReader("5 EUR"))
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	defer resp.Body.Close()
	fmt.Println("  the client got", resp.Status)
	if stopped, ok := httpx.ReportFrom(resp.Request.Context()); ok {
		fmt.Println("  and stopped because of:", stopped.Reason)
	}
}

// bank pays once a key, and breaks down after each payment.
type bank struct {
	mu                 sync.Mutex
	seen               map[string]bool
	requests, payments int
}

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	key := r.Header.Get("Idempotency-Key")
	if key != "" && b.seen[key] {
		fmt.Fprint(w, "paid already")
		return
	}
	b.seen[key] = true
	b.payments++
	w.WriteHeader(http.StatusInternalServerError)
}

func (b *bank) print() {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Printf("  requests: %d, payments: %d\n", b.requests, b.payments)
	b.requests, b.payments = 0, 0
}
