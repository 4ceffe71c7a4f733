package endpoints_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/httpx/endpoints"
	"github.com/evenkeel-go/evenkeel/internal/testkit"
	"github.com/evenkeel-go/evenkeel/outlier"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

func TestAttempts_UseOtherEndpoints(t *testing.T) {
	for name, policy := range map[string]endpoints.Policy{
		"round_robin": endpoints.RoundRobin, "least_requests": endpoints.LeastRequests,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, "a", "b", "c")
				f.servers[0].do(fails(503))
				f.servers[1].do(fails(503))
				e := endpoints.New("orders", endpoints.Addrs("a", "b", "c"), endpoints.Config{Base: f.base(), Policy: policy})
				c := client(t, httpx.NewTransport(e, testkit.Immediate(t)))
				for range 100 {
					from, code, err := get(c, "http://orders/x")
					require.NoError(t, err)
					require.Equal(t, 200, code)
					require.Equal(t, "c", from)
				}
				assert.Equal(t, int64(100), f.servers[2].calls.Load())
			})
		})
	}
}

func TestHedges_UseOtherEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		f.servers[0].do(hangs)
		e := endpoints.New("orders", endpoints.Addrs("a", "b"), endpoints.Config{Base: f.base()})
		p := testkit.Immediate(t, func(c *retry.Config) { c.Hedge = timeout.Fixed(50 * time.Millisecond) })
		c := client(t, httpx.NewTransport(e, p))
		for range 50 {
			start := time.Now()
			from, _, err := get(c, "http://orders/")
			require.NoError(t, err)
			require.Equal(t, "b", from)
			require.LessOrEqual(t, time.Since(start), 60*time.Millisecond)
		}
	})
}

func TestPolicy_Spreads(t *testing.T) {
	t.Run("by_weight", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, "a", "b")
			found := func(context.Context) ([]endpoints.Endpoint, error) {
				return []endpoints.Endpoint{{Addr: "a", Weight: 3}, {Addr: "b"}}, nil
			}
			c := client(t, endpoints.New("orders", found, endpoints.Config{Base: f.base()}))
			for range 400 {
				_, _, err := get(c, "http://orders/")
				require.NoError(t, err)
			}
			assert.Equal(t, []int64{300, 100}, f.calls())
		})
	})
	t.Run("by_requests_under_way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, "a", "b")
			c := client(t, endpoints.New("orders", endpoints.Addrs("a", "b"), endpoints.Config{
				Base: f.base(), Policy: endpoints.LeastRequests,
			}))
			resp, err := c.Get("http://orders/") // its body stays open
			require.NoError(t, err)
			busy := resp.Header.Get("Server")
			for range 10 {
				from, _, err := get(c, "http://orders/")
				require.NoError(t, err)
				require.NotEqual(t, busy, from)
			}
			require.NoError(t, resp.Body.Close())
			seen := map[string]bool{}
			for range 2 {
				from, _, err := get(c, "http://orders/")
				require.NoError(t, err)
				seen[from] = true
			}
			assert.Len(t, seen, 2)
		})
	})
}

func TestSingleEndpoint_NothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a")
		f.servers[0].do(fails(503))
		e := endpoints.New("orders", endpoints.Addrs("a"), endpoints.Config{
			Base: f.base(), SetAside: &outlier.Config{MaxShare: 1},
		})
		c := client(t, httpx.NewTransport(e, testkit.Immediate(t)))
		for range 50 {
			_, code, err := get(c, "http://orders/")
			require.NoError(t, err)
			require.Equal(t, 503, code)
		}
		assert.Equal(t, []int64{150}, f.calls())
	})
}

func TestAddr_KeepsTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a")
		var host, path string
		f.servers[0].do(func(_ http.ResponseWriter, r *http.Request) { host, path = r.Host, r.RequestURI })
		c := client(t, endpoints.New("orders", endpoints.Addrs("a:81"), endpoints.Config{Base: f.base()}))
		req, err := http.NewRequest(http.MethodGet, "http://orders:8080/x%2Fy?q=1", nil)
		require.NoError(t, err)
		resp, err := c.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, "orders:8080", host)
		assert.Equal(t, "/x%2Fy?q=1", path)
		assert.Equal(t, []string{"a:81"}, f.dialed)
		assert.Same(t, req, resp.Request)
	})
}

// Of a base without contexts in its dials, those are redirected as well.
func TestAddr_UsesDeprecatedDials(t *testing.T) {
	f := newFleet(t, "a")
	old := func(network, addr string) (net.Conn, error) { return f.dial(context.Background(), network, addr) }
	for scheme, base := range map[string]*http.Transport{"http": {Dial: old}, "https": {DialTLS: old}} {
		c := client(t, endpoints.New("orders", endpoints.Addrs("a:80"), endpoints.Config{Base: base}))
		server, _, err := get(c, scheme+"://orders/")
		require.NoError(t, err)
		require.Equal(t, "a", server)
	}
	require.Equal(t, []string{"a:80", "a:80"}, f.dialed)
}

func TestOtherHosts_UseBase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "other")
		c := client(t, endpoints.New("orders:8080", endpoints.Addrs("a"), endpoints.Config{Base: f.base()}))
		for url, want := range map[string]string{
			"http://other/": "other", "http://ORDERS:8080/": "a",
		} {
			from, _, err := get(c, url)
			require.NoError(t, err)
			assert.Equal(t, want, from)
		}
		_, _, err := get(c, "http://orders:81/")
		assert.Error(t, err, "another port is another host")
	})
}

func TestURL_ReplacesHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a")
		var host, uri string
		f.servers[0].do(func(_ http.ResponseWriter, r *http.Request) { host, uri = r.Host, r.RequestURI })
		c := client(t, endpoints.New("orders", endpoints.URLs("http://a:81/base/v%201/"), endpoints.Config{Base: f.base()}))
		for in, want := range map[string]string{
			"http://orders/x":          "/base/v%201/x",
			"https://orders/x%2Fy?q=1": "/base/v%201/x%2Fy?q=1",
			"http://orders":            "/base/v%201/",
		} {
			req, err := http.NewRequest(http.MethodGet, in, nil)
			require.NoError(t, err)
			resp, err := c.Do(req)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, want, uri)
			assert.Equal(t, "a:81", host)
			assert.Same(t, req, resp.Request)
			assert.Equal(t, in, req.URL.String(), "not changed")
		}
		req, _ := http.NewRequest(http.MethodGet, "http://orders/", nil)
		req.Host = "own"
		resp, err := c.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, "own", host)
	})
}

func TestRedirects_StayOnHost(t *testing.T) {
	for location, want := range map[string]string{
		"/v1/next":                "http://orders/next",
		"next":                    "http://orders/next",
		"http://a:80/v1/next":     "http://orders/next",
		"HTTP://A/v1/next?q=1":    "http://orders/next?q=1",
		"http://a/v1":             "http://orders/",
		"http://a/v2/next":        "http://a/v2/next",
		"http://elsewhere/v1/n":   "http://elsewhere/v1/n",
		"http://a/v1/x%2Fy":       "http://orders/x%2Fy",
		"http://orders/v1/direct": "http://orders/v1/direct",
		"//a/v1/next":             "http://orders/next",
		"//elsewhere/v1/n":        "http://elsewhere/v1/n",
		"/v1//elsewhere/x":        "http://orders//elsewhere/x",
		"http://a/v1//elsewhere":  "http://orders//elsewhere",
	} {
		t.Run(location, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, "a")
				f.servers[0].do(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", location)
					w.WriteHeader(http.StatusFound)
				})
				c := client(t, endpoints.New("orders", endpoints.URLs("http://a/v1"), endpoints.Config{Base: f.base()}))
				var next string
				c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
					next = r.URL.String()
					return http.ErrUseLastResponse
				}
				resp, err := c.Get("http://orders/first")
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, want, next)
			})
		})
	}
}

func TestRedirects_MayLeaveHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		for _, s := range f.servers {
			s.do(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/" {
					http.SetCookie(w, &http.Cookie{Name: "n", Value: "v"})
					http.Redirect(w, r, "http://"+r.Host+"/next", http.StatusFound)
					return
				}
				_, err := r.Cookie("n")
				assert.NoError(t, err, "cookies are the host's")
			})
		}
		c := client(t, endpoints.New("orders", endpoints.Addrs("a", "b"), endpoints.Config{Base: f.base()}))
		c.Jar = must(cookiejar.New(nil))
		_, code, err := get(c, "http://orders/")
		require.NoError(t, err)
		assert.Equal(t, 200, code)
		assert.Equal(t, []int64{1, 1}, f.calls())
	})
}

// TestHTTP2_ConnectionPerEndpoint also shows that the TLS server name is the host's.
func TestHTTP2_ConnectionPerEndpoint(t *testing.T) {
	var addrs []string
	seen := make(chan string, 100)
	for _, name := range []string{"a", "b"} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			seen <- name + " " + r.Proto + " " + r.TLS.ServerName
		}))
		srv.EnableHTTP2 = true
		srv.StartTLS()
		defer srv.Close()
		addrs = append(addrs, srv.Listener.Addr().String())
	}
	for name, ready := range map[string]func(*http.Transport){
		"forced": func(t *http.Transport) { t.ForceAttemptHTTP2 = true },
		//lint:ignore SA1019 programs still do
		"configured": func(tr *http.Transport) { assert.NoError(t, http2.ConfigureTransport(tr)) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewTLSServer(nil)
			defer srv.Close()
			base := srv.Client().Transport.(*http.Transport) // trusts the test's certificate, which is for example.com
			ready(base)
			c := client(t, endpoints.New("example.com", endpoints.Addrs(addrs...), endpoints.Config{Base: base}))
			for range 4 {
				_, _, err := get(c, "https://example.com/")
				require.NoError(t, err)
			}
			got := map[string]int{}
			for range 4 {
				got[<-seen]++
			}
			assert.Equal(t, map[string]int{"a HTTP/2.0 example.com": 2, "b HTTP/2.0 example.com": 2}, got)
		})
	}
}

func TestProxy_OnlyForURLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "proxy")
		base := f.base()
		base.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy"})
		byAddr := client(t, endpoints.New("orders", endpoints.Addrs("a"), endpoints.Config{Base: base}))
		var uri string
		f.servers[0].do(func(_ http.ResponseWriter, r *http.Request) { uri = r.RequestURI })
		from, _, err := get(byAddr, "http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "a", from)
		assert.Equal(t, "/", uri, "not as to a proxy")
		byURL := client(t, endpoints.New("orders", endpoints.URLs("http://a"), endpoints.Config{Base: base}))
		from, _, err = get(byURL, "http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "proxy", from)
	})
}

func TestCloseIdleConnections_OfEveryEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		c := client(t, httpx.NewTransport(
			endpoints.New("orders", endpoints.Addrs("a", "b"), endpoints.Config{Base: f.base()}), testkit.Immediate(t),
		))
		for range 4 {
			_, _, err := get(c, "http://orders/")
			require.NoError(t, err)
		}
		require.Len(t, f.dialed, 2, "connections are kept")
		c.CloseIdleConnections()
		synctest.Wait()
		for range 4 {
			_, _, err := get(c, "http://orders/")
			require.NoError(t, err)
		}
		assert.Len(t, f.dialed, 4)
	})
}

func TestEvent_HasNoPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		f.servers[0].do(fails(http.StatusServiceUnavailable))
		resolve := func(context.Context) (list []endpoints.Endpoint, err error) {
			for _, host := range []string{"a", "b"} {
				list = append(list, endpoints.Endpoint{URL: &url.URL{Scheme: "http", User: url.UserPassword("u", "secret"), Host: host}})
			}
			return list, nil
		}
		var events []outlier.Event
		c := client(t, endpoints.New("orders", resolve, endpoints.Config{
			Base: f.base(), SetAside: &outlier.Config{},
			OnChange: func(_ context.Context, e outlier.Event) { events = append(events, e) },
		}))
		for range 50 {
			_, _, err := get(c, "http://orders/")
			require.NoError(t, err)
		}
		require.Len(t, events, 1)
		require.Equal(t, "http://u:xxxxx@a", events[0].Backend)
	})
}

func TestPanic_InTraceLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		e := endpoints.New("orders", endpoints.Addrs("a", "b"), endpoints.Config{
			Base: f.base(), Policy: endpoints.LeastRequests, SetAside: &outlier.Config{},
		})
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			GetConn: func(string) { panic("trace") },
		})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", nil)
		require.NoError(t, err)
		for range 4 {
			require.Panics(t, func() { _, _ = e.RoundTrip(req) })
		}
		c := client(t, e)
		for range 4 {
			_, _, err := get(c, "http://orders/")
			require.NoError(t, err)
		}
		assert.Equal(t, []int64{2, 2}, f.calls())
	})
}

func TestPanic_InOnChangeLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a", "b")
		f.servers[0].do(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			http.NewResponseController(w).Flush()
			<-r.Context().Done() // the body goes on until it is closed
		})
		told := 0
		e := endpoints.New("orders", endpoints.Addrs("a", "b"), endpoints.Config{
			Base: f.base(), Policy: endpoints.LeastRequests, SetAside: &outlier.Config{},
			OnChange: func(context.Context, outlier.Event) { told++; panic("told") },
		})
		req, err := http.NewRequest(http.MethodGet, "http://orders/", nil)
		require.NoError(t, err)
		c := client(t, e)
		for told == 0 {
			func() {
				defer func() { _ = recover() }()
				if resp, err := e.RoundTrip(req); assert.NoError(t, err) {
					resp.Body.Close()
				}
			}()
		}
		f.servers[0].do(answers(healthy))
		time.Sleep(10 * time.Second)
		before := f.calls()
		for range 20 {
			func() {
				defer func() { _ = recover() }() // the one that takes it back
				_, _, err := get(c, "http://orders/")
				assert.NoError(t, err)
			}()
		}
		after := f.calls()
		assert.Equal(t, []int64{10, 10}, []int64{after[0] - before[0], after[1] - before[1]})
	})
}

func TestUpgrade_BodyStaysWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "a")
		f.servers[0].do(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Upgrade", "echo")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, rw, err := w.(http.Hijacker).Hijack()
			if assert.NoError(t, err) {
				_, _ = rw.WriteString("hi")
				_ = rw.Flush()
				_ = conn.Close()
			}
		})
		c := client(t, endpoints.New("orders", endpoints.Addrs("a"), endpoints.Config{
			Base: f.base(), Policy: endpoints.LeastRequests,
		}))
		req, err := http.NewRequest(http.MethodGet, "http://orders/", nil)
		require.NoError(t, err)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := c.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.Implements(t, (*io.Writer)(nil), resp.Body)
	})
}

func TestNew_PanicsOnInvalidArguments(t *testing.T) {
	ok := endpoints.Addrs("a")
	for want, f := range map[string]func(){
		"host":            func() { endpoints.New("", ok, endpoints.Config{}) },
		"resolve":         func() { endpoints.New("a", nil, endpoints.Config{}) },
		"Config.Policy":   func() { endpoints.New("a", ok, endpoints.Config{Policy: 9}) },
		"Config.Refresh":  func() { endpoints.New("a", ok, endpoints.Config{Refresh: -1}) },
		"Config.SetAside": func() { endpoints.New("a", ok, endpoints.Config{SetAside: &outlier.Config{MaxShare: 2}}) },
		"endpoints.Addrs": func() { endpoints.Addrs() },
		"argument 2":      func() { endpoints.Addrs("a", "") },
		"endpoints.URLs":  func() { endpoints.URLs() },
		"scheme, host":    func() { endpoints.URLs("ftp://a") },
		"name":            func() { endpoints.DNS("") },
	} {
		func() {
			defer func() {
				text, _ := recover().(string)
				assert.Contains(t, text, want)
			}()
			f()
		}()
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
