// Command quickstart-http is an HTTP client with retries, against a server that fails.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/fault"
	"github.com/evenkeel-go/evenkeel/retry"
)

func main() {
	server := failingServer()
	defer server.Close()

	// The client: one policy for the whole program. It keeps a budget for each host.
	policy, err := retry.New(retry.Config{}) // 3 attempts, full jitter, the adaptive budget
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: httpx.NewTransport(nil, policy), Timeout: time.Minute}

	get(client, server.URL+"/items/7")
	get(client, server.URL+"/broken")
	get(client, server.URL+"/missing")
}

func get(client *http.Client, url string) {
	resp, err := client.Get(url)
	if err != nil { // there was no response at all
		fmt.Println("error:", err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Printf("%s: %q\n", resp.Status, body)
	if stopped, ok := httpx.ReportFrom(resp.Request.Context()); ok { // why no retry mended it
		fmt.Printf("  stopped after %d attempts: %s\n", stopped.Attempts, stopped.Reason)
	}
}

// failingServer answers /items/7 at the second attempt, /broken never, and has nothing else.
func failingServer() *httptest.Server {
	broken := fault.Fault{Status: http.StatusBadGateway, Body: "no backend"}
	mux := http.NewServeMux()
	mux.Handle("/items/7", fault.Handler(http.HandlerFunc(item), fault.Script(broken)))
	mux.Handle("/broken", fault.Handler(http.HandlerFunc(item), func(*http.Request) fault.Fault { return broken }))
	return httptest.NewServer(mux)
}

func item(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "item 7") }
