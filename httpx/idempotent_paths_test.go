package httpx_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestIdempotentPaths_AreRetried(t *testing.T) {
	option := httpx.WithIdempotentPaths(
		"POST /search", "POST /v1/{kind}/search", "POST api.test/batch/", "/any", "POST /{kind}/both", "POST /a/{rest}",
		"POST Docs.Test/Index", "POST [::1]/six",
	)
	for name, c := range map[string]struct {
		method, url string
		again       bool
	}{
		"named":                   {"POST", "http://h/search", true},
		"named, with a query":     {"POST", "http://h:8080/search?q=1", true},
		"another method":          {"PATCH", "http://h/search", false},
		"below it":                {"POST", "http://h/search/1", false},
		"another path":            {"POST", "http://h/pay", false},
		"a wildcard":              {"POST", "http://h/v1/books/search", true},
		"a wildcard's two parts":  {"POST", "http://h/v1/a/b/search", false},
		"a wildcard's escaped":    {"POST", "http://h/v1/a%2Fb/search", true},
		"a host's tree":           {"POST", "http://api.test:443/batch/1", true},
		"a host in capitals":      {"POST", "http://API.test/batch/1", true},
		"a pattern in capitals":   {"POST", "http://docs.test/Index", true},
		"another path's capitals": {"POST", "http://docs.test/index", false},
		"IPv6":                    {"POST", "http://[::1]/six", true},
		"IPv6 with a port":        {"POST", "http://[::1]:80/six", true},
		"another host's":          {"POST", "http://other.test/batch/1", false},
		"a path of any method":    {"PATCH", "http://h/any", true},
		"patterns in conflict 1":  {"POST", "http://h/b/both", true},
		"patterns in conflict 2":  {"POST", "http://h/a/b", true},
		"a path that is unclean":  {"POST", "http://h/x/../search", false},
		"a tunnel":                {"CONNECT", "http://h/any", false},
		"the preface of HTTP/2":   {"PRI", "http://h/any", false},
		"no slash where one goes": {"POST", "http://api.test/batch", false},
	} {
		t.Run(name, func(t *testing.T) {
			sent := 0
			tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
				sent++
				return reply(500, http.NoBody), nil
			}), policy(t, nil), option)
			resp, err := tr.RoundTrip(request(t, c.method, c.url, strings.NewReader("q")))
			require.NoError(t, err)
			require.Equal(t, 500, resp.StatusCode)
			require.Equal(t, c.again, sent > 1)
		})
	}
}

func TestIdempotentPaths_RequestsDeclarationFirst(t *testing.T) {
	s := serve(t, many(9, 500)...)
	c := client(t, policy(t, nil), httpx.WithIdempotentPaths("POST /a"), httpx.WithIdempotentPaths("POST /b"))
	ctx := retry.WithIdempotency(t.Context(), retry.NotIdempotent)
	resp, err := c.Do(request(t, http.MethodPost, s.URL+"/a", nil).WithContext(ctx))
	require.NoError(t, err)
	text(t, resp)
	require.Equal(t, 1, s.count())
	resp, err = c.Post(s.URL+"/b", "", nil)
	require.NoError(t, err)
	text(t, resp)
	require.Equal(t, 4, s.count(), "both options count")
}

func TestIdempotentPaths_AreHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		c := pipeClient(t, plan(&sent, []int{200, 200}, time.Minute, 0), hedging(t, nil), httpx.WithIdempotentPaths("POST /s"))
		start := time.Now()
		resp, err := c.Post("http://pipe/s", "", strings.NewReader("q"))
		require.NoError(t, err)
		text(t, resp)
		require.Equal(t, hedgeDelay, time.Since(start))
	})
}

func TestIdempotentPaths_ErrorNamesEachMistake(t *testing.T) {
	func() {
		defer func() {
			said := fmt.Sprint(recover())
			for _, wrong := range []string{
				"httpx: WithIdempotentPaths: ", `"": `, `"search": `, `"POST search": `, `"POST /{": `, `"post /search": `,
				`"post\t/tab": `, `" POST /led": the host must`, `"POST api.test:8080/port": the host must`, `"[::1]:80/port": `,
			} {
				require.Contains(t, said, wrong)
			}
			require.NotContains(t, said, "/fine")
		}()
		httpx.WithIdempotentPaths("POST /fine", "", "search", "POST search", "POST /{", "post /search", "post\t/tab", " POST /led", " /fine",
			"POST api.test:8080/port", "[::1]:80/port")
	}()
}

func FuzzIdempotentPaths(f *testing.F) {
	f.Add("POST /search", "http://h/search")
	f.Add("POST h/{a...}", "http://h/%zz")
	f.Add("/{$}", "//")
	f.Fuzz(func(t *testing.T, pattern, url string) {
		var option httpx.Option
		func() {
			defer func() { recover() }()
			option = httpx.WithIdempotentPaths(pattern)
		}()
		req, err := http.NewRequest(http.MethodPost, url, nil)
		if option == nil || err != nil {
			return
		}
		tr := httpx.NewTransport(base(func(*http.Request) (*http.Response, error) {
			return reply(200, http.NoBody), nil
		}), nil, option)
		resp, err := tr.RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
	})
}
