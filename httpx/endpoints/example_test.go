package endpoints_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/endpoints"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
)

func Example() {
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	defer down.Close()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer up.Close()

	policy := retry.Must(retry.New(retry.Config{}))
	servers := endpoints.New("orders", endpoints.URLs(down.URL, up.URL), endpoints.Config{
		SetAside: &outlier.Config{},
		OnChange: func(_ context.Context, e outlier.Event) { fmt.Println(e.Change, e.Cause) },
	})
	client := &http.Client{Transport: httpx.NewTransport(servers, policy)}
	defer client.CloseIdleConnections()

	// If the first attempt fails, the second one goes to the other server.
	resp, err := client.Get("http://orders/greeting")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	fmt.Println(string(text), err)
	// Output: hello <nil>
}
